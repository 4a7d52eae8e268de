"""Drawing counts from a plan, and the expectation of Δ under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import CONTROL_CODE

from ._design import CellPlan, fill_plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._truth import Truth

__all__ = ["draw_counts", "expected_delta"]

CELLS_PER_BLOCK = 2048


def draw_counts(truth: Truth, plan: CellPlan, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw negative binomial counts `(n_cells, n_genes)`, a Poisson whose rate is gamma distributed."""
    n_cells = len(plan.library)
    counts = np.empty((n_cells, len(truth.baseline)), dtype=np.int32)
    for start in range(0, n_cells, CELLS_PER_BLOCK):
        block = slice(start, start + CELLS_PER_BLOCK)
        rate = _means(truth, plan.take(block))
        dispersion = truth.settings.dispersion
        if dispersion > 0:
            rate *= rng.gamma(1 / dispersion, dispersion, size=rate.shape)
        counts[block] = rng.poisson(rate)
    return counts


def expected_delta(
    truth: Truth, weights: NDArray[np.float64], *, n_draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Monte Carlo estimate of Δ given how each perturbation is spread over contexts, and of the control means.

    Parameters
    ----------
    truth
        What was planted.
    weights
        Share of each context among the cells of a perturbation `(n_perturbations, n_contexts)`.
    n_draws
        Cells drawn for each perturbation, and four times as many for the controls of each context.
    rng
        Draws them.

    Returns
    -------
    tuple
        Δ `(n_perturbations, n_genes)` and mean of the controls `(n_contexts, n_genes)`, log1p-CP10k.
    """
    n_contexts = weights.shape[1]
    control = np.stack([_mean_profile(truth, CONTROL_CODE, b, n=4 * n_draws, rng=rng) for b in range(n_contexts)])
    delta = np.zeros((len(weights), control.shape[1]))
    for i, row in enumerate(weights):
        for b in np.flatnonzero(row):
            mean = _mean_profile(truth, i, int(b), n=int(np.ceil(n_draws * row[b])), rng=rng)
            delta[i] += row[b] * (mean - control[b])
    return delta, control


def _means(truth: Truth, plan: CellPlan) -> NDArray[np.float64]:
    log_mean = truth.baseline + truth.context_effects[plan.context] + truth.sample_effects[plan.sample]
    log_mean += truth.state_programs[plan.state]
    perturbed = plan.perturbation != CONTROL_CODE
    log_mean[perturbed] += truth.log_effects[plan.perturbation[perturbed]]
    share = np.exp(log_mean - log_mean.max(axis=1, keepdims=True))
    share *= (plan.library / share.sum(axis=1))[:, None]
    return np.asarray(share, dtype=np.float64)


def _mean_profile(
    truth: Truth, perturbation: int, context: int, *, n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    codes = np.full(n, perturbation, dtype=np.int32)
    counts = draw_counts(truth, fill_plan(truth, codes, np.full(n, context, dtype=np.int32), rng=rng), rng)
    totals = counts.sum(axis=1, keepdims=True)
    kept = totals[:, 0] > 0
    profile = np.log1p(counts[kept] * 1e4 / totals[kept])
    return np.asarray(profile.mean(axis=0), dtype=np.float64)
