"""Energy distances between groups of cells without the bias of finite samples, with a jackknife over folds of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EnergyTable", "energy_table", "euclidean"]


def euclidean(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """‖x − y‖ for every row x of `left` and y of `right`, after centring both on the mean of `left`."""
    centre = left.mean(axis=0)
    a, b = left - centre, right - centre
    squared = a @ b.T
    squared *= -2.0
    squared += np.einsum("ij,ij->i", a, a)[:, None]
    squared += np.einsum("ij,ij->i", b, b)[None, :]
    np.maximum(squared, 0.0, out=squared)
    return np.asarray(np.sqrt(squared, out=squared), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class EnergyTable:
    """Sums of distances by group and fold, from which every U-statistic and every delete-one-fold copy follows.

    Parameters
    ----------
    sums
        Σ of ‖x − y‖ over cells of (group, fold) and (group, fold) `(n_groups, n_folds, n_groups, n_folds)`.
    counts
        Cells `(n_groups, n_folds)`.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    def distances(self, without: int | None = None) -> NDArray[np.float64]:
        """E‖X − Y‖ between groups, over pairs of different cells; `without` leaves one fold out `(n_groups, n_groups)`."""
        kept = np.ones(self.counts.shape[1])
        if without is not None:
            kept[without] = 0.0
        total = np.einsum("afbg,f,g->ab", self.sums, kept, kept, optimize=True)
        n = self.counts @ kept
        pairs = np.outer(n, n) - np.diag(n)
        mean = np.divide(total, pairs, out=np.full_like(total, np.nan), where=pairs > 0)
        return np.asarray(mean, dtype=np.float64)

    def energy(self, without: int | None = None) -> NDArray[np.float64]:
        """2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ for every pair of groups, mean 0 where the groups are alike; NaN for one cell."""
        mean = self.distances(without)
        within = np.diag(mean)
        out = 2.0 * mean - within[:, None] - within[None, :]
        np.fill_diagonal(out, 0.0)
        return np.asarray(out)


def energy_table(
    distances: NDArray[np.float64], groups: NDArray[np.integer], *, n_groups: int, folds: NDArray[np.integer]
) -> EnergyTable:
    """Sum a matrix of distances by group and fold.

    Parameters
    ----------
    distances
        `(n_cells, n_cells)`, diagonal 0.
    groups, folds
        Group and fold of each cell `(n_cells,)`.
    n_groups
        Number of groups, empty ones included.
    """
    n_folds = int(folds.max()) + 1
    cells = groups.astype(np.int64) * n_folds + folds
    order = np.argsort(cells, kind="stable")
    counts = np.bincount(cells, minlength=n_groups * n_folds)
    filled = np.flatnonzero(counts)
    starts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]])
    rows = np.add.reduceat(distances[order], starts, axis=0)
    blocks = np.add.reduceat(rows[:, order], starts, axis=1)
    sums = np.zeros((n_groups * n_folds, n_groups * n_folds))
    sums[np.ix_(filled, filled)] = blocks
    shape = (n_groups, n_folds, n_groups, n_folds)
    return EnergyTable(sums.reshape(shape), counts.reshape(n_groups, n_folds).astype(np.float64))
