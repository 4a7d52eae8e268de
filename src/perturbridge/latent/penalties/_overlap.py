"""How a label is spread over strata: what may be read of the label without looking at the cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._checks import freeze
from perturbridge.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Overlap"]


@dataclass(frozen=True, eq=False)
class Overlap:
    """Counts of the training cells by stratum and label; every penalty asks only for what lies beyond them.

    A penalty sees a label through its residual given the stratum, 1[c] − P(c | s), which is 0 on average whatever z knows of the
    stratum. So biology that goes with a context is not taken for context, a minibatch needs no two cells of one stratum, and a
    stratum that lies in one context alone, where nothing can be told apart, drops out.

    Parameters
    ----------
    counts
        Training cells `(n_strata, n_labels)`; strata with one level of the label are set to 0.
    n_left_out
        Cells in those strata.
    """

    counts: NDArray[np.int64]
    n_left_out: int

    @classmethod
    def of(cls, labels: NDArray[Any], strata: NDArray[Any], *, n_labels: int, n_strata: int) -> Overlap:
        """Count cells; a code below 0 is a missing label and its cell is not counted.

        Parameters
        ----------
        labels, strata
            Codes `(n_cells,)`.
        n_labels, n_strata
            Levels.

        Raises
        ------
        FitError
            If the label has one level, or no stratum has cells of two levels.
        """
        known = (labels >= 0) & (strata >= 0)
        flat = np.bincount(strata[known] * n_labels + labels[known], minlength=n_labels * n_strata)
        counts = flat.reshape(n_strata, n_labels)
        if (counts.sum(axis=0) > 0).sum() < 2:
            problem = f"The label to work on has {int((counts.sum(axis=0) > 0).sum())} level(s) among {int(known.sum())} cells."
            raise FitError(problem, cure="Give a label with at least two levels, or leave the penalty out.")
        comparable = (counts > 0).sum(axis=1) > 1
        if not comparable.any():
            problem = f"Each of {n_strata} strata has cells of one level of the label alone: label and strata cannot be told apart."
            raise FitError(problem, cure="Use coarser strata: state alone, or none.")
        kept = np.where(comparable[:, None], counts, 0)
        return cls(freeze(kept.astype(np.int64)), int(counts.sum() - kept.sum()))

    @property
    def n_labels(self) -> int:
        """Number of levels of the label."""
        return int(self.counts.shape[1])

    @property
    def shares(self) -> NDArray[np.float64]:
        """P(c | s), `(n_strata, n_labels)`; 0 in empty strata."""
        totals = self.counts.sum(axis=1, keepdims=True)
        return np.asarray(self.counts / np.maximum(totals, 1), dtype=np.float64)

    @property
    def stratum_shares(self) -> NDArray[np.float64]:
        """P(s), `(n_strata,)`."""
        totals = self.counts.sum(axis=1)
        return np.asarray(totals / totals.sum(), dtype=np.float64)

    @property
    def label_shares(self) -> NDArray[np.float64]:
        """P(c), `(n_labels,)`."""
        return np.asarray(self.counts.sum(axis=0) / self.counts.sum(), dtype=np.float64)

    def left_out(self, variance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Var(s)/(n_s − 1), by which two cells of a stratum differ more than independent ones, as P(c | s) is their own average."""
        sizes = self.counts.sum(axis=1)
        return np.asarray(variance / np.maximum(sizes - 1, 1), dtype=np.float64)
