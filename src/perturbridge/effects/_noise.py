"""How much each measured effect is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Effects

__all__ = ["row_weights"]


def row_weights(effects: Effects) -> NDArray[np.float64] | None:
    """w_p = 1 / (τ² + σ_p²), or None where the sampling variance is unknown.

    σ_p² is the mean over genes of the sampling variance of row p, about inversely proportional to its number of cells. τ² is what the
    rows differ by beyond sampling, by moments: the mean over genes of their variance, minus the mean of σ_p², and not below a tenth of
    it, so that no row can outweigh the rest without bound.

    Returns
    -------
    NDArray
        Positive, mean 1 `(n_perturbations,)`.
    """
    variance = effects.sampling_variance()
    if variance is None or len(effects.perturbations) < 2:
        return None
    noise = variance.mean(axis=1)
    spread = float(effects.delta.var(axis=0, ddof=1).mean())
    total = max(spread - float(noise.mean()), 0.1 * spread) + noise
    if not total.min() > 0:
        return None
    weights = 1.0 / total
    return np.asarray(weights / weights.mean(), dtype=np.float64)
