"""Labels of the cells of a latent, from whatever a user passes: an array, a name, or labels already; and which of them are controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

from ._names import CONTROL
from ._screen import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from ._latent import Latent

__all__ = ["as_labels", "control_cells"]

USUAL_CONTROLS = (
    "control",
    "ctrl",
    "non-targeting",
    "nontargeting",
    "non_targeting",
    "ntc",
    "nt",
    "negctrl",
    "unperturbed",
    "untreated",
    "dmso",
)


def as_labels(role: str, values: ArrayLike | Labels | str, latent: Latent) -> Labels:
    """Turn an array of labels, or the name of labels the latent carries, into `Labels`; missing ones have code -1.

    Parameters
    ----------
    role
        What the labels are, for messages and as their column.
    values
        Labels `(n_cells,)`, or the role or column of labels that travel with the latent.
    latent
        Whose cells they label.

    Raises
    ------
    DataError
        If the length differs from the number of cells, or the name is unknown.
    """
    if isinstance(values, Labels):
        labels = values
    elif isinstance(values, str):
        labels = latent.column(values)
    else:
        array = np.asarray(values, dtype=object).reshape(-1).tolist()
        # What a label says is asked once for each distinct one, not for each of a million cells.
        place: dict[object, int] = {}
        keys = (v if v.__class__ is str else (v.__class__, v) for v in array)
        seen = np.fromiter((place.setdefault(key, len(place)) for key in keys), dtype=np.int64, count=len(array))
        distinct = [key if isinstance(key, str) else key[1] for key in place]  # type: ignore[index]
        known = np.array([not _missing(v) for v in distinct], dtype=np.bool_)
        text = np.array([str(v) for v, kept in zip(distinct, known, strict=True) if kept], dtype=str)
        categories, inverse = np.unique(text, return_inverse=True)
        table = np.full(len(distinct), -1, dtype=np.int32)
        table[known] = inverse.reshape(-1)
        codes = table[seen]
        labels = Labels(column=role, categories=tuple(str(c) for c in categories), codes=codes)
    if len(labels.codes) != latent.n_cells:
        problem = f"{role} has {len(labels.codes)} labels for the {latent.n_cells} cells of latent {latent.name!r}."
        raise DataError(problem, cure="Give one label per cell, in the order of the latent.")
    return labels


def _missing(value: object) -> bool:
    return value is None or value != value or str(value).strip() in ("", "nan", "NaN", "<NA>", "None")  # noqa: PLR0124 - NaN alone differs from itself


def control_cells(
    condition: Labels | None, control: NDArray[np.bool_] | Sequence[str] | None = None
) -> NDArray[np.bool_]:
    """Which cells are controls `(n_cells,)`.

    Parameters
    ----------
    condition
        Perturbation of each cell; without one no cell is a control.
    control
        A mask, or the labels of `condition` that are controls, whatever their case; default the usual spellings.

    Raises
    ------
    DataError
        If no label is one of those named.
    """
    if condition is None:
        return np.zeros(0, dtype=np.bool_)
    n = len(condition.codes)
    if (
        control is not None
        and not isinstance(control, str)
        and len(control) == n
        and np.asarray(control).dtype == np.bool_
    ):
        return np.asarray(control, dtype=np.bool_)
    spelled = (
        (str(CONTROL), *USUAL_CONTROLS)
        if control is None
        else ((control,) if isinstance(control, str) else tuple(control))
    )
    wanted = {str(name).strip().lower() for name in spelled}
    codes = [i for i, name in enumerate(condition.categories) if name.strip().lower() in wanted]
    if control is not None and not codes:
        problem = f"No label of {condition.column!r} is {', '.join(repr(c) for c in spelled)}."
        raise DataError(problem, cure=f"Its labels begin {', '.join(repr(c) for c in condition.categories[:5])}.")
    return np.isin(condition.codes, codes)
