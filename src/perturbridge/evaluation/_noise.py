"""How much of a real Δ is chance, and how much of that a model could not have learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Effects

__all__ = ["noise_allowance", "reference_variance", "strength", "train_weights", "unforeseeable_variance"]


def train_weights(train: Effects) -> NDArray[np.float64] | None:
    """Mean share of each context among the training perturbations `(n_contexts,)`, or None where contexts are unknown."""
    return None if train.contexts is None else train.contexts.weights.mean(axis=0)


def unforeseeable_variance(test: Effects, *, weights: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """var_p / n_p + Σ_b (s_pb − s_b)² var_b / n_b, with s_pb = n_pb / n_p and s_b its mean over training perturbations.

    A perturbation's Δ carries the sampling noise of its own cells and of its controls. The controls are shared: their noise is in
    every training Δ as well, with weights s_b on average, and a model that fits an intercept knows it. Counting it as noise would
    let the mean of the training perturbations fall below the floor of a screen with few controls.

    Parameters
    ----------
    test
        Real effects of the scored perturbations.
    weights
        s_b `(n_contexts,)`; None for one set of controls.

    Returns
    -------
    NDArray or None
        `(n_perturbations, n_genes)`, squared unit of Δ; None where the variance over cells is unknown.
    """
    if test.variance is None:
        return None
    own = test.variance / test.n_cells[:, None]
    if test.contexts is None or weights is None:
        return own
    table = test.contexts
    per_context = table.control_variance / np.maximum(table.n_control, 1)[:, None]
    return np.asarray(own + (table.weights - weights) ** 2 @ per_context, dtype=np.float64)


def strength(test: Effects) -> NDArray[np.float64]:
    """|Δ| / standard error, or |Δ| where the error is unknown; a change without any spread is infinitely strong.

    Returns
    -------
    NDArray
        `(n_perturbations, n_genes)`.
    """
    size = np.abs(test.delta)
    variance = test.sampling_variance()
    if variance is None:
        return size
    without_spread = np.where(size > 0, np.inf, 0.0)
    return np.divide(size, np.sqrt(variance), out=without_spread, where=variance > 0)


def reference_variance(train: Effects) -> NDArray[np.float64] | None:
    """Σ_k var_k / n_k / N²: sampling variance of the mean Δ of N training perturbations by their own cells `(n_genes,)`; None if unknown."""
    if train.variance is None or not len(train.perturbations):
        return None
    return np.asarray((train.variance / train.n_cells[:, None]).sum(axis=0) / len(train.perturbations) ** 2)


def noise_allowance(
    pred: NDArray[np.float64],
    pred_noise: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """R · min(1, Σ_g noise / Σ_g pred_noise) · pred_noise, r = min(1, Σ_pg (pred_pg − mean_p pred_pg)² / Σ_pg of the rest): what is taken off.

    The scatter of predicted cells is the error of their mean only if they are independent draws, which nobody can check: cells made to
    cancel around a fixed profile show scatter, have no error, and would be paid for it. Two bounds keep that from paying, as in cell-eval2
    `expr_mse_unbiased_capped`: no perturbation is allowed more than the measurement's own noise, and all of them together no more than
    the predictions differ among themselves, which a baseline dressed up as cells does not do.

    Parameters
    ----------
    pred
        Predicted Δ `(n_perturbations, n_genes)`.
    pred_noise, noise
        Sampling variance of the predicted and of the real means, of the same shape.

    Returns
    -------
    NDArray
        `(n_perturbations, n_genes)`, never above `pred_noise`.
    """
    own, real = pred_noise.sum(axis=1), noise.sum(axis=1)
    share = np.divide(real, own, out=np.ones(len(own)), where=own > 0)
    bounded = pred_noise * np.minimum(share, 1.0)[:, None]
    claim, budget = float(bounded.sum()), float(((pred - pred.mean(axis=0)) ** 2).sum())
    return np.asarray(bounded * min(1.0, budget / claim) if claim > 0 else bounded, dtype=np.float64)
