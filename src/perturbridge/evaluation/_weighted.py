"""Metrics that weigh genes, and shares of variance explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Effects

    from ._metric import Aligned

__all__ = [
    "PanelMoments",
    "gene_weights",
    "r2_delta",
    "r2_delta_pert",
    "rest_statistic",
    "weighted_r2_delta_pert",
    "wmse",
]

_BLOCK_ROWS = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelMoments:
    """Cells, sum and sum of squares of every gene over all perturbed cells of a panel."""

    n: float
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, panel: Effects) -> PanelMoments | None:
        """Return the moments of all perturbed cells; None where variances are unknown or there is one perturbation only."""
        if panel.variance is None or len(panel.perturbations) < 2:
            return None
        total, squares = np.zeros(len(panel.genes)), np.zeros(len(panel.genes))
        control = panel.matched_control
        # In the order of the names, so that the order of the rows does not show in the last digit.
        order = np.array(sorted(range(len(control)), key=panel.perturbations.__getitem__), dtype=np.int64)
        for start in range(0, len(order), _BLOCK_ROWS):
            rows = order[start : start + _BLOCK_ROWS]
            n, mean = panel.n_cells[rows, None].astype(np.float64), panel.delta[rows] + control[rows]
            total += (n * mean).sum(axis=0)
            squares += ((n - 1) * panel.variance[rows] + n * mean**2).sum(axis=0)
        return cls(n=float(panel.n_cells.sum()), total=total, squares=squares)


def rest_statistic(test: Effects, panel: PanelMoments | None) -> NDArray[np.float64] | None:
    """Welch's t of each perturbation's cells against the cells of all others of the panel `(n_perturbations, n_genes)`.

    The others' mean and variance are those of all perturbed cells less the own. None where variances are unknown. For scoring only.
    """
    if test.variance is None or panel is None:
        return None
    own_n, own_mean = test.n_cells[:, None].astype(np.float64), test.delta + test.matched_control
    rest_n = panel.n - own_n
    rest_mean = (panel.total - own_n * own_mean) / rest_n
    rest_squares = panel.squares - (own_n - 1) * test.variance - own_n * own_mean**2
    rest_variance = np.maximum(rest_squares - rest_n * rest_mean**2, 0.0) / np.maximum(rest_n - 1, 1)
    squared = test.variance / own_n + rest_variance / rest_n
    out = np.zeros(squared.shape)
    np.divide(own_mean - rest_mean, np.sqrt(squared), out=out, where=squared > 0)
    return out


def gene_weights(statistic: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """((|t_g| − min) / (max − min))² over the genes that count, scaled to sum 1 (Mejia 2025); equal weights where all |t| are equal."""
    size = np.abs(statistic)
    low = np.where(counted, size, np.inf).min(axis=1, keepdims=True)
    high = np.where(counted, size, -np.inf).max(axis=1, keepdims=True)
    share = np.zeros(size.shape)
    np.divide(size - low, high - low, out=share, where=counted & (high > low))
    squared = share**2
    total = squared.sum(axis=1, keepdims=True)
    n = np.maximum(counted.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.where(total > 0, squared / np.where(total > 0, total, 1.0), counted / n), dtype=np.float64)


def _weights(pair: Aligned) -> NDArray[np.float64] | None:
    return None if pair.rest is None else gene_weights(pair.rest, pair.counted)


def wmse(pair: Aligned) -> NDArray[np.float64]:
    """Σ_g w_g (pred_g − true_g)², w from how far each gene stands out from all other perturbations; NaN where that is unknown."""
    weights = _weights(pair)
    if weights is None:
        return np.full(len(pair.true), np.nan)
    return np.asarray((weights * (pair.pred - pair.true) ** 2).sum(axis=1), dtype=np.float64)


def _explained(
    pred: NDArray[np.float64], true: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    total = weights.sum(axis=1, keepdims=True)
    mean = np.divide((weights * true).sum(axis=1, keepdims=True), total, out=np.zeros(total.shape), where=total > 0)
    spread = (weights * (true - mean) ** 2).sum(axis=1)
    size = (weights * true**2).sum(axis=1)
    out = np.full(len(true), np.nan)
    # A profile that is constant but for rounding has no variance to explain.
    np.divide((weights * (pred - true) ** 2).sum(axis=1), spread, out=out, where=spread > 1e-12 * size)
    return 1.0 - out


def r2_delta(pair: Aligned) -> NDArray[np.float64]:
    """1 − Σ_g (pred − true)² / Σ_g (true − mean true)²: share of the variance over genes explained; NaN for a constant profile."""
    return _explained(pair.pred, pair.true, pair.counted.astype(np.float64))


def r2_delta_pert(pair: Aligned) -> NDArray[np.float64]:
    """`r2_delta` of pred − m and true − m, m the mean Δ of the training perturbations; NaN where m is unknown."""
    if pair.train_mean is None:
        return np.full(len(pair.true), np.nan)
    return _explained(pair.pred - pair.train_mean, pair.true - pair.train_mean, pair.counted.astype(np.float64))


def weighted_r2_delta_pert(pair: Aligned) -> NDArray[np.float64]:
    """`r2_delta_pert` with the weights of `wmse`; NaN where either is unknown."""
    weights = _weights(pair)
    if weights is None or pair.train_mean is None:
        return np.full(len(pair.true), np.nan)
    return _explained(pair.pred - pair.train_mean, pair.true - pair.train_mean, weights)
