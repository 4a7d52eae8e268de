"""What is audited: the coordinates of cells and their groupings, checked once, so that every check can rely on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._mapped import is_mapped, stretches, take_rows
from perturbridge.errors import DataError
from perturbridge.values import Labels, Latent, control_cells

from ._codes import joint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Subject", "label_subject"]


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
    drawn_from
        Cells of which these were drawn, 0 where they are all.
    """

    latent: Latent
    context: Labels
    sample: Labels | None = None
    condition: Labels | None = None
    state: Labels | None = None
    control: NDArray[np.bool_]
    library_size: NDArray[Any] | None = None
    reference: NDArray[Any] | None = None
    n_unlabelled: int = 0
    drawn_from: int = 0

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
        low, high = np.inf, -np.inf
        for _, part in stretches(self.latent.z):
            low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
        return tuple(int(j) for j in np.flatnonzero(np.asarray(low == high)))

    @cached_property
    def strata(self) -> NDArray[np.int64]:
        """Condition x state of each cell as one code `(n_cells,)`; all 0 where neither was given."""
        codes = np.zeros(self.n_cells, dtype=np.int64)
        for labels in (self.condition, self.state):
            codes = codes if labels is None else joint(codes, labels.codes)
        return codes

    def loaded(self, rows: NDArray[np.int64] | None = None) -> Subject:
        """Return the subject, or some of its cells, with coordinates in memory and the rest in double precision.

        Parameters
        ----------
        rows
            Cells to keep, ascending; None for all.
        """
        return replace(
            self,
            latent=_in_memory(self.latent) if rows is None else _rows(self.latent, rows),
            control=self.control if rows is None else self.control[rows],
            library_size=_double(self.library_size, rows),
            reference=_double(self.reference, rows),
            drawn_from=0 if rows is None else self.n_cells,
            **({} if rows is None else self._labels_of(rows)),
        )

    def _labels_of(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        roles = {"context": self.context, "sample": self.sample, "condition": self.condition, "state": self.state}
        return {role: None if labels is None else _kept(labels, rows) for role, labels in roles.items()}


def _in_memory(latent: Latent) -> Latent:
    return replace(latent, z=np.array(latent.z)) if is_mapped(latent.z) else latent


def _double(values: NDArray[Any] | None, rows: NDArray[np.int64] | None) -> NDArray[np.float64] | None:
    if values is None:
        return None
    return np.asarray(values if rows is None else take_rows(values, rows), dtype=np.float64)


def standardized(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(x − mean) / sd by column, in double precision; columns that do not vary become 0."""
    x = np.asarray(values, dtype=np.float64)
    x = x - x.mean(axis=0)
    sd = x.std(axis=0)
    return np.asarray(x / np.where(sd > 1e-12 * (1 + np.abs(x).max(axis=0, initial=0)), sd, np.inf))


def label_subject(
    latent: Latent,
    *,
    groupings: dict[str, Labels | None],
    control: NDArray[np.bool_] | Sequence[str] | None = None,
    library_size: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    drop_unlabelled: bool = False,
) -> Subject:
    """Join a latent and its labels; coordinates that lie in a file stay there until `Subject.loaded` fetches some.

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
        control=(control_cells(used["condition"], control) if "condition" in used else np.zeros(n, dtype=np.bool_))[
            keep
        ],
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
        z=take_rows(latent.z, keep),
        cells=latent.cells[keep],
        name=latent.name,
        made_by=latent.made_by,
        split_hash=latent.split_hash,
        trained=None if latent.trained is None else latent.trained[keep],
        steps=latent.steps,
    )


def _aligned(
    name: str, values: ArrayLike | None, keep: NDArray[np.int64], *, shape: tuple[int, ...]
) -> NDArray[Any] | None:
    if values is None:
        return None
    array = np.asarray(values)
    array = array if is_mapped(array) else array.astype(np.float64, copy=False)
    n = shape[0]
    bad = sum(int((~np.isfinite(part)).sum()) for _, part in stretches(array)) if array.ndim else 0
    if array.ndim != len(shape) or len(array) != n or bad:
        problem = f"{name} has shape {array.shape} and {bad} entries that are not finite, for {n} cells."
        raise DataError(problem, cure="Give one finite row per cell, in the order of the latent.")
    return array if len(keep) == n else take_rows(array, keep)
