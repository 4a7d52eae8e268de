"""What a model says about perturbations, row by row, with how sure it is that it may say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import array_of, unique_names
from perturbridge.errors import DataError

from ._names import PerturbationName, as_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["STATUSES", "Prediction"]

STATUSES = ("predicted", "partial_embedding", "no_embedding", "out_of_support")


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction:
    """Predicted Δ profiles.

    Parameters
    ----------
    perturbations, genes
        Axes, unique.
    delta
        Predicted Δ, log1p-CP10k, `(n_perturbations, n_genes)`.
    status
        One per row: `"predicted"`; `"partial_embedding"`: some gene or source had no vector; `"no_embedding"`: no vector at all,
        so the row is the mean effect of the training perturbations; `"out_of_support"`: farther from every training gene than
        they are from one another.
    detail
        One per row: what is missing or far, empty where nothing is.
    model
        Name of the model that made it.
    lower, upper
        Interval bounds `(n_perturbations, n_genes)` or None for a point prediction.
    in_training
        One per row: the model was fitted on this very perturbation, so the row is a fit and must not be scored as a prediction.
        Empty stands for none, which is also what models say that do not keep track.
    split_hash
        Of the split whose training rows were used, empty when all rows were.
    """

    perturbations: tuple[PerturbationName, ...]
    genes: tuple[str, ...]
    delta: NDArray[np.float64]
    status: tuple[str, ...]
    detail: tuple[str, ...]
    model: str
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None
    in_training: tuple[bool, ...] = ()
    split_hash: str = ""

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "perturbations", as_names(self.perturbations))
        set_(self, "genes", unique_names("genes", self.genes))
        shape = (len(self.perturbations), len(self.genes))
        set_(self, "delta", array_of("predicted delta", self.delta, shape=shape, dtype=np.float64))
        for bound in ("lower", "upper"):
            if getattr(self, bound) is not None:
                set_(self, bound, array_of(bound, getattr(self, bound), shape=shape, dtype=np.float64))
        set_(self, "in_training", tuple(bool(seen) for seen in self.in_training) or (False,) * shape[0])
        if len(self.in_training) != shape[0]:
            problem = f"{len(self.in_training)} marks of training rows for {shape[0]} rows."
            raise DataError(problem, cure="Give one per row, or none.")
        unknown = sorted(set(self.status) - set(STATUSES))
        if len(self.status) != shape[0] or len(self.detail) != shape[0] or unknown:
            problem = f"{len(self.status)} statuses and {len(self.detail)} details for {shape[0]} rows; unknown statuses: {unknown}."
            raise DataError(problem, cure=f"Give each row one of {', '.join(STATUSES)}.")
