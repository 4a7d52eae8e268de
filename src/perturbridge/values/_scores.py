"""Scores in long form: one row per model, fold, perturbation and metric."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ScoreTable"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreTable:
    """Columns of equal length `(n_scores,)`.

    Parameters
    ----------
    model, fold, perturbation, stratum, metric, status
        Labels; the status is that of the prediction row.
    value
        The score; NaN only where the metric is undefined for that row (a constant profile has no correlation).
    n_cells
        Real cells behind the row.
    as_rival
        What the perturbation does to the others where all of a panel compete: the mean score of the others against this one alone, whose
        mean over the panel is the mean score. An interval over perturbations must know it; NaN where each is scored alone.
    split_hash
        Of the split that was scored.
    """

    model: NDArray[np.str_]
    fold: NDArray[np.str_]
    perturbation: NDArray[np.str_]
    stratum: NDArray[np.str_]
    metric: NDArray[np.str_]
    status: NDArray[np.str_]
    value: NDArray[np.float64]
    n_cells: NDArray[np.int64]
    as_rival: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    split_hash: str = ""

    def __post_init__(self) -> None:
        if not len(self.as_rival):
            object.__setattr__(self, "as_rival", np.full(len(self.value), np.nan))
        lengths = {name: len(getattr(self, name)) for name in self.column_names()}
        if len(set(lengths.values())) != 1:
            problem = f"The columns of a score table differ in length: {lengths}."
            raise DataError(problem, cure="Build it with evaluation.score.")

    @staticmethod
    def column_names() -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(f.name for f in fields(ScoreTable) if f.name != "split_hash")

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return the columns by name, in order."""
        return {name: getattr(self, name) for name in self.column_names()}

    @classmethod
    def join(cls, tables: Sequence[ScoreTable]) -> ScoreTable:
        """Stack tables of one split.

        Raises
        ------
        DataError
            If there is none, or they were made on different splits.
        """
        hashes = sorted({t.split_hash for t in tables})
        if len(hashes) != 1:
            problem = f"{len(tables)} score tables come from {len(hashes)} splits."
            raise DataError(problem, cure="Score every model on the same split.")
        return cls(
            model=np.concatenate([t.model for t in tables]),
            fold=np.concatenate([t.fold for t in tables]),
            perturbation=np.concatenate([t.perturbation for t in tables]),
            stratum=np.concatenate([t.stratum for t in tables]),
            metric=np.concatenate([t.metric for t in tables]),
            status=np.concatenate([t.status for t in tables]),
            value=np.concatenate([t.value for t in tables]),
            n_cells=np.concatenate([t.n_cells for t in tables]),
            as_rival=np.concatenate([t.as_rival for t in tables]),
            split_hash=hashes[0],
        )
