"""What the genes of a combination do beyond the sum of what each of them does: symmetric kernels between combinations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._search import Trial, try_kernel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ._design import Design
    from ._problem import Problem

__all__ = ["INTERACTIONS", "choose_interactions", "interaction_kernels"]

# What all combinations share; what those that share a gene share; what those of similar pairs of genes share.
INTERACTIONS = ("common", "genes", "pairs")
# Weights tried, in units of the kernel of the summed effects over combinations.
_SHARES = (0.0625, 0.125, 0.25, 0.5, 1.0)


def interaction_kernels(left: Design, right: Design, similar: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Kernels between perturbations, each 0 where either is a single `(n_left, n_right)`.

    With |P| genes in P and κ(a, c) = (similar(a, c) + [a = c]) / 2:
    `common` (|P| − 1)(|Q| − 1); `genes` |P ∩ Q|; `pairs` Σ over a < b in P, c < d in Q of κ(a, c) κ(b, d) + κ(a, d) κ(b, c).
    Each is positive semi-definite and does not know in which order genes are named.

    Parameters
    ----------
    left, right
        Perturbations.
    similar
        Kernel of the embeddings between their genes `(n_left_targeted, n_right_targeted)`.
    """
    position = {gene: j for j, gene in enumerate(right.genes)}
    same = np.zeros(similar.shape)
    for i, gene in enumerate(left.genes):
        if gene in position:
            same[i, position[gene]] = 1.0
    kappa = 0.5 * (similar + same)
    extra = np.outer(left.n_genes_each - 1, right.n_genes_each - 1)
    both = extra > 0
    across = left.rows_of(kappa)
    down = right.rows_of(kappa.T).T
    total = right.rows_of(across.T).T
    # All (a, b) × (c, d), less those with a = b or c = d.
    pairs = (
        total**2 - right.rows_of((across**2).T).T - left.rows_of(down**2) + right.rows_of(left.rows_of(kappa**2).T).T
    )
    shared = right.rows_of(left.rows_of(same).T).T
    return {"common": extra, "genes": np.where(both, shared, 0.0), "pairs": np.where(both, 0.5 * pairs, 0.0)}


def choose_interactions(
    problem: Problem, start: Trial, kernels: Mapping[str, NDArray[np.float64]], *, alphas: Sequence[float]
) -> tuple[Trial, dict[str, float]]:
    """Add each kernel with the weight that left-out rows prefer, times how sure it is that it lowers the error of left-out
    combinations.

    Parameters
    ----------
    problem
        Rows to learn from.
    start
        The kernel of summed effects at its best penalty.
    kernels
        Between the rows, by name, in order of preference.
    alphas
        Penalties to try.
    """
    combined = problem.design.n_genes_each > 1
    best, shares = start, dict.fromkeys(kernels, 0.0)
    unit = float(np.diag(start.kernel)[combined].mean()) if combined.any() else 0.0
    for name, kernel in kernels.items():
        size = float(np.diag(kernel)[combined].mean()) if unit > 0 else 0.0
        if size <= 0:
            continue
        trials = [
            try_kernel(problem, best.kernel + t * unit / size * kernel, alphas, start=best.alpha) for t in _SHARES
        ]
        grown, share = min(zip(trials, _SHARES, strict=True), key=lambda pair: pair[0].error)
        share *= min(grown.certainty_against(best), grown.certainty_against(best, combined))
        if share > 0:
            shares[name] = share * unit / size
            best = try_kernel(problem, best.kernel + shares[name] * kernel, alphas, start=grown.alpha)
    return best, shares
