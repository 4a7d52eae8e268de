"""Metrics of a prediction's interval: is it as wide as it should be, and wide where the error is?

Bounds at a stated level are read as those of a normal distribution around their middle, so that other levels can be asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from ._error import mae
from ._profile import mean_over_genes
from ._ranks import rho

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._metric import Aligned

__all__ = ["coverage_at", "crps", "rho_unc_error"]


def _spread(pair: Aligned) -> NDArray[np.float64] | None:
    """Standard deviation that the bounds stand for `(n_perturbations, n_genes)`."""
    if pair.lower is None or pair.upper is None:
        return None
    return np.asarray((pair.upper - pair.lower) / (2.0 * ndtri((1.0 + pair.level) / 2.0)), dtype=np.float64)


def coverage_at(level: float) -> Callable[[Aligned], NDArray[np.float64]]:
    """Return the share of genes whose real Δ lies within the interval of this level: its coverage; NaN without bounds."""

    def covered(pair: Aligned) -> NDArray[np.float64]:
        spread = _spread(pair)
        if spread is None or pair.lower is None or pair.upper is None:
            return np.full(len(pair.true), np.nan)
        middle, reach = (pair.lower + pair.upper) / 2.0, float(ndtri((1.0 + level) / 2.0)) * spread
        # Bounds of the level they were made for are taken as they are, whatever rounding does to their middle.
        inside = (
            (pair.true >= pair.lower) & (pair.true <= pair.upper)
            if level == pair.level
            else np.abs(pair.true - middle) <= reach
        )
        return mean_over_genes(inside.astype(np.float64), pair.counted)

    return covered


def crps(pair: Aligned) -> NDArray[np.float64]:
    """mean_g s (z (2Φ(z) − 1) + 2φ(z) − 1/√π), z = (true − pred) / s: continuous ranked probability score; without bounds, `mae`.

    A point prediction has s = 0, for which the score is the absolute error, so that models with and without intervals compare.
    """
    spread = _spread(pair)
    if spread is None:
        return mae(pair)
    miss = np.abs(pair.true - pair.pred)
    z = np.divide(miss, spread, out=np.zeros(miss.shape), where=spread > 0)
    density = np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi)
    score = spread * (z * (2.0 * ndtr(z) - 1.0) + 2.0 * density - 1.0 / np.sqrt(np.pi))
    return mean_over_genes(np.where(spread > 0, score, miss), pair.counted)


def rho_unc_error(pair: Aligned) -> NDArray[np.float64]:
    """Spearman correlation over genes of interval width and |pred − true|: does it know where it errs; NaN without bounds."""
    spread = _spread(pair)
    if spread is None:
        return np.full(len(pair.true), np.nan)
    miss = np.abs(pair.pred - pair.true)
    return np.array([rho(spread[i, kept], miss[i, kept]) for i, kept in enumerate(pair.counted)], dtype=np.float64)
