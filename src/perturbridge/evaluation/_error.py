"""Error metrics: how far the predicted profile is from the real one, in the unit of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._profile import mean_over_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._metric import Aligned

__all__ = ["mae", "mse_unbiased", "rmse", "rmse_excess", "rmse_floor"]


def rmse(pair: Aligned) -> NDArray[np.float64]:
    """√ mean_g (pred_g − true_g)²."""
    return np.sqrt(mean_over_genes((pair.pred - pair.true) ** 2, pair.counted))


def mae(pair: Aligned) -> NDArray[np.float64]:
    """mean_g |pred_g − true_g|."""
    return mean_over_genes(np.abs(pair.pred - pair.true), pair.counted)


def rmse_floor(pair: Aligned) -> NDArray[np.float64]:
    """√ mean_g noise_g: the error a perfect prediction makes because only so many cells were measured; NaN where unknown."""
    if pair.noise is None:
        return np.full(len(pair.true), np.nan)
    return np.sqrt(mean_over_genes(pair.noise, pair.counted))


def rmse_excess(pair: Aligned) -> NDArray[np.float64]:
    """√ max(0, rmse² − rmse_floor² − mean_g allowance_g): the error without what sampling adds; NaN where the floor is unknown.

    The allowance is for predicted cells, whose mean is noisy because they are few; without it a generative model that is right loses to
    the mean of the training perturbations. Cut at zero row by row, so the mean over perturbations of an almost perfect model lies a
    little above zero.
    """
    left = rmse(pair) ** 2 - rmse_floor(pair) ** 2
    if pair.allowance is not None:
        left = left - mean_over_genes(pair.allowance, pair.counted)
    return np.sqrt(np.maximum(0.0, left))


def mse_unbiased(pair: Aligned) -> NDArray[np.float64]:
    """mean_g (pred_g − true_g)² − mean_g noise_g, of both sides where cells are predicted; NaN where the noise is unknown.

    Not cut at zero, so that its mean over perturbations is right: below zero means no error beyond sampling. Cells whose scatter cancels
    in their mean lower it for nothing, so it is no headline metric. As cell-eval2 `expr_mse_unbiased`, which leaves the target gene
    out of the distance but not out of the noise: theirs is lower by that gene's noise over the number of genes.
    """
    if pair.noise is None:
        return np.full(len(pair.true), np.nan)
    noise = pair.noise if pair.pred_noise is None else pair.noise + pair.pred_noise
    return mean_over_genes((pair.pred - pair.true) ** 2 - noise, pair.counted)
