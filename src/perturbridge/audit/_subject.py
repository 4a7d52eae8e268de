"""What is audited: the coordinates of cells and their groupings, checked once, so that every check can rely on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import CONTROL, Labels, Latent

from ._codes import joint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Subject", "as_labels", "make_subject"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Subject:
    """A latent with the labels its audit asks for; every label is known, codes are `0 … n_categories − 1`.

    Parameters
    ----------
    latent
        What is audited, `n_cells` rows.
    context
        Technical grouping that must not be readable.
    sample, condition, state
        Biological unit, perturbation, biology worth keeping; None where not given.
    control
        True for control cells `(n_cells,)`; all False where no condition was given or it has no control.
    library_size
        Counts per cell `(n_cells,)`, or None.
    reference
        PCA of the same data `(n_cells, n_reference_dims)`, or None.
    n_unlabelled
        Cells left out because a label was missing.
    """

    latent: Latent
    context: Labels
    sample: Labels | None = None
    condition: Labels | None = None
    state: Labels | None = None
    control: NDArray[np.bool_]
    library_size: NDArray[np.float64] | None = None
    reference: NDArray[np.float64] | None = None
    n_unlabelled: int = 0

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.latent.n_cells

    @property
    def n_contexts(self) -> int:
        """Number of contexts."""
        return len(self.context.categories)

    @cached_property
    def z(self) -> NDArray[np.float64]:
        """Coordinates in double precision, each dimension with mean 0 and standard deviation 1 (0 where constant)."""
        return standardized(self.latent.z)

    @cached_property
    def constant(self) -> tuple[int, ...]:
        """Dimensions in which every cell has the same value."""
        return tuple(int(j) for j in np.flatnonzero(np.ptp(self.latent.z, axis=0) == 0))

    @cached_property
    def strata(self) -> NDArray[np.int64]:
        """Condition x state of each cell as one code `(n_cells,)`; all 0 where neither was given."""
        codes = np.zeros(self.n_cells, dtype=np.int64)
        for labels in (self.condition, self.state):
            codes = codes if labels is None else joint(codes, labels.codes)
        return codes


def standardized(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(x − mean) / sd by column, in double precision; columns that do not vary become 0."""
    x = np.asarray(values, dtype=np.float64)
    x = x - x.mean(axis=0)
    sd = x.std(axis=0)
    return np.asarray(x / np.where(sd > 1e-12 * (1 + np.abs(x).max(axis=0, initial=0)), sd, np.inf))


def as_labels(role: str, values: ArrayLike | Labels | str, latent: Latent) -> Labels:
    """Turn an array of labels, or the name of labels the latent carries, into `Labels`; missing ones have code -1.

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


def make_subject(
    latent: Latent,
    *,
    groupings: dict[str, Labels | None],
    control: NDArray[np.bool_] | Sequence[str] | None = None,
    library_size: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    drop_unlabelled: bool = False,
) -> Subject:
    """Join a latent and its labels.

    Parameters
    ----------
    latent
        What is audited.
    groupings
        By role: `"context"`, `"sample"`, `"condition"`, `"state"`.
    control
        True for control cells, or the labels of `condition` that are controls; default the usual spellings of control.
    library_size, reference
        One value, one row per cell.
    drop_unlabelled
        Leave out cells with a missing label (counted in the report) instead of refusing them.

    Raises
    ------
    DataError
        If labels are missing, a length differs, or the context is not given.
    """
    n = latent.n_cells
    used = {role: labels for role, labels in groupings.items() if labels is not None}
    known = np.ones(n, dtype=np.bool_)
    for role, labels in used.items():
        missing = labels.codes < 0
        if missing.any() and not drop_unlabelled:
            problem = f"{int(missing.sum()):,} of {n:,} cells have no {role} ({labels.column!r}), the first is cell {int(np.argmax(missing))}."
            raise DataError(
                problem,
                cure="Label these cells, or pass drop_unlabelled=True (--drop-unlabelled) to leave them out of the audit.",
            )
        known &= ~missing
    if not known.any():
        problem = f"None of the {n:,} cells has every label ({', '.join(used)})."
        raise DataError(problem, cure="Check that the labels are in the order of the latent.")
    keep = np.flatnonzero(known)
    kept = {role: _kept(labels, keep) for role, labels in used.items()}
    shrunk = latent if len(keep) == n else _rows(latent, keep)
    return Subject(
        latent=shrunk,
        context=kept["context"],
        sample=kept.get("sample"),
        condition=kept.get("condition"),
        state=kept.get("state"),
        control=_controls(control, used.get("condition"), n)[keep],
        library_size=_aligned("library_size", library_size, keep, shape=(n,)),
        reference=_aligned("reference", reference, keep, shape=(n, -1)),
        n_unlabelled=n - len(keep),
    )


def _kept(labels: Labels, keep: NDArray[np.int64]) -> Labels:
    """Labels of the kept cells, without categories that no kept cell has."""
    seen, codes = np.unique(labels.codes[keep], return_inverse=True)
    return Labels(
        column=labels.column,
        categories=tuple(labels.categories[i] for i in seen),
        codes=np.asarray(codes.reshape(-1), dtype=np.int32),
    )


def _rows(latent: Latent, keep: NDArray[np.int64]) -> Latent:
    return Latent(
        z=latent.z[keep],
        cells=latent.cells[keep],
        name=latent.name,
        made_by=latent.made_by,
        split_hash=latent.split_hash,
        trained=None if latent.trained is None else latent.trained[keep],
        steps=latent.steps,
    )


def _controls(control: NDArray[np.bool_] | Sequence[str] | None, condition: Labels | None, n: int) -> NDArray[np.bool_]:
    if condition is None:
        return np.zeros(n, dtype=np.bool_)
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


def _aligned(
    name: str, values: ArrayLike | None, keep: NDArray[np.int64], *, shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    n = shape[0]
    if array.ndim != len(shape) or len(array) != n or not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        problem = f"{name} has shape {array.shape} and {bad} entries that are not finite, for {n} cells."
        raise DataError(problem, cure="Give one finite row per cell, in the order of the latent.")
    return array[keep]
