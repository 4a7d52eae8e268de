"""A ratio of two estimates that may both be near 0: its interval and what it says about a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Verdict

__all__ = ["Ratio", "balanced_folds"]

_LARGEST = 100.0


@dataclass(frozen=True, eq=False)
class Ratio:
    """ρ = N / D from unbiased N and D, with delete-one-fold copies of both.

    Parameters
    ----------
    whole
        N and D `(2,)`.
    without
        Both without each fold `(n_folds, 2)`.
    null_variance
        Of N where its truth is 0, such as over shuffles; the jackknife, which sees little of it near 0, never counts as less.
    confidence
        Of the interval, between 0 and 1.
    """

    whole: NDArray[np.float64]
    without: NDArray[np.float64]
    null_variance: float = 0.0
    confidence: float = 0.95

    @property
    def estimate(self) -> float:
        """N / D, at least 0; NaN where D is not positive."""
        return float(max(self.whole[0], 0.0) / self.whole[1]) if self.whole[1] > 0 else float("nan")

    def _margin(self, ratio: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """N − ρ D and its half-width, by the jackknife with t quantiles, for each ρ."""
        n_folds = len(self.without)
        copies = self.without[:, 0, None] - ratio * self.without[:, 1, None]
        variance = (n_folds - 1) / n_folds * ((copies - copies.mean(axis=0)) ** 2).sum(axis=0)
        return self.whole[0] - ratio * self.whole[1], self._t * np.sqrt(np.maximum(variance, self.null_variance))

    @property
    def _t(self) -> float:
        return float(stdtrit(len(self.without) - 1, (1 + self.confidence) / 2))

    @property
    def resolved(self) -> bool:
        """Whether D is told from 0."""
        spread = np.sqrt((len(self.without) - 1) * self.without[:, 1].var())
        return bool(self.whole[1] > self._t * spread)

    def interval(self) -> tuple[float, float]:
        """Every ρ between 0 and 100 that N − ρ D does not rule out (Fieller), from the least to the greatest."""
        # Even steps of √ρ, since ρ may be a share of squared lengths.
        grid = np.concatenate([np.linspace(0, 1.4, 1401) ** 2, np.geomspace(1.4**2, _LARGEST, 400)[1:]])
        margin, half = self._margin(grid)
        within = np.flatnonzero(margin - half <= 0)
        low = grid[within[0]] if len(within) else _LARGEST
        above = np.flatnonzero(margin + half >= 0)
        high = grid[above[-1]] if len(above) else 0.0
        # Between two steps of the grid the estimate is closer than its neighbours.
        estimate = low if np.isnan(self.estimate) else min(self.estimate, _LARGEST)
        return float(min(low, estimate)), float(max(high, low, estimate))

    def verdict(self, tolerance: float) -> Verdict:
        """`fail` where N exceeds tolerance · D for sure, `pass` where it stays below for sure, else `warn`, or `underpowered` where D is not told from 0."""
        margin, half = (float(value[0]) for value in self._margin(np.array([tolerance])))
        if not np.isfinite(margin + half):
            return "underpowered"
        if margin - half > 0:
            return "fail"
        if margin + half < 0:
            return "pass"
        return "warn" if self.resolved else "underpowered"

    def more_cells(self, tolerance: float) -> float:
        """How many times as many cells would separate N from tolerance · D if both stay, the half-width falling with √n; NaN where settled."""
        margin, half = (float(value[0]) for value in self._margin(np.array([tolerance])))
        if margin == 0 or not np.isfinite(margin + half) or abs(margin) > half:
            return float("nan")
        return float(np.ceil((half / margin) ** 2))


def balanced_folds(groups: NDArray[np.integer], *, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the cells of each group in random order to the folds, going on with the next fold at the next group `(n_cells,)`."""
    order = np.lexsort((rng.random(len(groups)), groups))
    folds = np.empty(len(groups), dtype=np.int64)
    folds[order] = np.arange(len(groups)) % n_folds
    return folds
