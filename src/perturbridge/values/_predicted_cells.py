"""Cells that nobody measured: controls, moved by what a model says of a perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import array_of, freeze, one_of, unique_names
from perturbridge.errors import DataError

from ._names import as_names
from ._prediction import STATUSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._names import PerturbationName
    from ._prediction import Prediction
    from ._screen import Labels

__all__ = ["PredictedCells"]


@dataclass(frozen=True, eq=False, kw_only=True)
class PredictedCells:
    """Predicted cells of one perturbation or several, each with the control cell it was moved from.

    Parameters
    ----------
    perturbations
        Unique.
    z
        Coordinates after the move `(n_cells, n_dims)`, float32.
    codes
        Index into `perturbations` of each cell `(n_cells,)`.
    controls
        Row in the screen of the control cell that each was moved from `(n_cells,)`.
    context
        Of the control cell, or None where there is one alone.
    status, detail
        One per perturbation, as in `Prediction`.
    in_training
        One per perturbation: it was among those the model was fitted on.
    radius
        One per perturbation: root mean square error over its cells that held-out perturbations stay below with probability
        `level`, units of the latent `(n_perturbations,)`; infinite where too few were held out to say.
    level
        Of the radius.
    library_size
        Counts of each cell `(n_cells,)`, or None without expression.
    genes
        Columns of `expression`, empty without.
    expression
        `(n_cells, n_genes)`, float32, or None.
    expression_is
        `"counts"`: drawn. `"means"`: expected counts. `"none"`.
    profile
        Predicted Δ of the perturbations, or None where there was no decoder.
    model
        Name of the model.
    split_hash
        Of the split whose training rows were used.
    """

    perturbations: tuple[PerturbationName, ...]
    z: NDArray[np.float32]
    codes: NDArray[np.int64]
    controls: NDArray[np.int64]
    context: Labels | None
    status: tuple[str, ...]
    detail: tuple[str, ...]
    in_training: tuple[bool, ...]
    radius: NDArray[np.float64]
    level: float
    library_size: NDArray[np.float64] | None = None
    genes: tuple[str, ...] = ()
    expression: NDArray[np.float32] | None = None
    expression_is: Literal["counts", "means", "none"] = "none"
    profile: Prediction | None = None
    model: str = ""
    split_hash: str = ""

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "perturbations", as_names(self.perturbations))
        set_(self, "z", array_of("z of predicted cells", self.z, shape=(None, None), dtype=np.float32))
        n, m = len(self.z), len(self.perturbations)
        set_(self, "genes", unique_names("genes", self.genes))
        for name in ("codes", "controls"):
            set_(self, name, array_of(name, getattr(self, name), shape=(n,), dtype=np.int64))
        if self.library_size is not None:
            set_(self, "library_size", array_of("library_size", self.library_size, shape=(n,), dtype=np.float64))
        set_(self, "radius", freeze(np.asarray(self.radius, dtype=np.float64)))
        lengths = {len(self.status), len(self.detail), len(self.in_training), len(self.radius)}
        outside = n and (self.codes.min() < 0 or self.codes.max() >= m)
        if lengths != {m} or set(self.status) - set(STATUSES) or outside:
            problem = f"{n} predicted cells of {m} perturbations come with columns of {sorted(lengths)} rows, statuses {sorted(set(self.status))}."
            raise DataError(
                problem, cure=f"Give each perturbation one of {', '.join(STATUSES)}, and each cell its code."
            )
        one_of("expression_is", self.expression_is, ("counts", "means", "none"))
        if self.expression is not None:
            shape = (n, len(self.genes))
            set_(self, "expression", array_of("expression", self.expression, shape=shape, dtype=np.float32))

    @property
    def n_cells(self) -> int:
        """Number of predicted cells, over all perturbations."""
        return int(self.z.shape[0])
