"""Metrics between clouds of cells: do predicted cells look like the measured ones, not only their mean?

Both clouds lie in principal components fitted on training cells. Estimators are unbiased where one exists, so that a cloud compared with
another draw of itself scores 0 on average and may fall a little below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist, pdist

from perturbridge.numerics import energy_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._metric import Aligned

__all__ = ["edistance", "mmd_rbf", "sinkhorn_div"]

_BLUR = 0.1
_ITERATIONS = 100
_TOLERANCE = 1e-5


def _by_row(pair: Aligned, one: Callable[[NDArray[np.float64], NDArray[np.float64]], float]) -> NDArray[np.float64]:
    out = np.full(len(pair.true), np.nan)
    for i, clouds in enumerate(pair.cells):
        if clouds is not None and min(map(len, clouds)) > 1:
            out[i] = one(*clouds)
    return out


def edistance(pair: Aligned) -> NDArray[np.float64]:
    """2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ over different cells: energy distance as a U-statistic; NaN without cells."""
    return _by_row(pair, energy_distance)


def mmd_rbf(pair: Aligned) -> NDArray[np.float64]:
    """E k(X, X') + E k(Y, Y') − 2 E k(X, Y) over different cells, k = exp(−d² / 2σ²), σ the median distance of all pairs.

    Unbiased squared maximum mean discrepancy (Gretton 2012); 0 where all cells are the same point; NaN without cells.
    """

    def one(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        within = pdist(x, "sqeuclidean"), pdist(y, "sqeuclidean")
        across = cdist(x, y, "sqeuclidean")
        middle = float(np.median(np.concatenate([*within, across.ravel()])))
        if middle <= 0:
            return 0.0
        first, second, both = (float(np.exp(-d / (2.0 * middle)).mean()) for d in (*within, across))
        return first + second - 2.0 * both

    return _by_row(pair, one)


def sinkhorn_div(pair: Aligned) -> NDArray[np.float64]:
    """OT_ε(X, Y) − ½ OT_ε(X, X) − ½ OT_ε(Y, Y), cost ½ d², ε = 0.1 × mean cost: Sinkhorn divergence (Feydy 2019); NaN without cells."""

    def one(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        across = cdist(x, y, "sqeuclidean") / 2.0
        epsilon = _BLUR * float(across.mean())
        if epsilon <= 0:
            return 0.0
        own = [_transport_to_itself(cdist(z, z, "sqeuclidean") / 2.0, epsilon=epsilon) for z in (x, y)]
        return max(0.0, _transport(across, epsilon=epsilon) - sum(own) / 2.0)

    return _by_row(pair, one)


def _soft_minimum(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """−log mean_j exp(−c_ij) of each row, stable."""
    low = scaled.min(axis=1)
    return np.asarray(low - np.log(np.exp(low[:, None] - scaled).mean(axis=1)), dtype=np.float64)


def _transport(cost: NDArray[np.float64], *, epsilon: float) -> float:
    """Value of the entropic problem between uniform clouds, by averaged dual updates in logarithms, the same from either side."""
    scaled, turned = cost / epsilon, np.ascontiguousarray(cost.T) / epsilon
    f, g = np.zeros(len(cost)), np.zeros(len(turned))
    for _ in range(_ITERATIONS):
        before = f
        f, g = (f + _soft_minimum(scaled - g)) / 2.0, (g + _soft_minimum(turned - f)) / 2.0
        if np.abs(f - before).max() < _TOLERANCE:
            break
    # One full step each, after which both marginals are nearly exact.
    f, g = _soft_minimum(scaled - g), _soft_minimum(turned - f)
    return float(epsilon * (f.mean() + g.mean()))


def _transport_to_itself(cost: NDArray[np.float64], *, epsilon: float) -> float:
    """The same for a cloud and itself, where both potentials are one and averaged updates converge in a few steps."""
    scaled, f = cost / epsilon, np.zeros(len(cost))
    for _ in range(_ITERATIONS):
        before = f
        f = (f + _soft_minimum(scaled - f)) / 2.0
        if np.abs(f - before).max() < _TOLERANCE:
            break
    return float(2.0 * epsilon * f.mean())
