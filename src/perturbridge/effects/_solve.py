"""One solve on all training rows with the kernels that were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import LooRidge

from ._search import Problem, Shrinkage, choose_alpha, shrink_to_mean, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ._search import Choice
    from ._source_kernel import SourceKernel

__all__ = ["Solved", "solve"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Solved:
    """Coefficients of the fitted model; see `Fitted` for how they are used.

    Parameters
    ----------
    intercept, coefficients
        b `(n_genes,)` and β `(n_anchors, n_genes)`.
    offsets
        For every targeted gene of the design what is its own beyond the kernels `(n_targeted, n_genes)`.
    alpha
        In units of the mean eigenvalue; infinite for the mean alone.
    shrinkage
        Toward the mean.
    """

    intercept: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    offsets: NDArray[np.float64]
    alpha: float
    shrinkage: Shrinkage


def solve(
    problem: Problem, kernels: Sequence[SourceKernel], choice: Choice, *, alphas: Sequence[float], is_exact: bool
) -> Solved:
    """Choose α on the exact curve and solve.

    Parameters
    ----------
    problem
        All training rows, all targets.
    kernels
        One for each source, over the anchors.
    choice
        Shares of the sources, then that of the genes' own effects where there are combinations.
    alphas
        Penalties to try.
    is_exact
        True: the anchors are all targeted genes. False: they are a sample, and the kernel is k_ga K_aa⁻¹ k_ag (Nyström).
    """
    shared = sum(share * k.anchor_kernel() for share, k in zip(choice.shares, kernels, strict=False))
    own = choice.shares[len(kernels)] if len(choice.shares) > len(kernels) else 0.0
    design = problem.design
    if is_exact:
        ridge = problem.ridge(shared + own * np.eye(len(design.genes)))
        span = None
    else:
        span = _half_inverse(np.asarray(shared))
        across = sum(
            share * k.between(k.features.source.locate(design.genes).rows)
            for share, k in zip(choice.shares, kernels, strict=False)
        )
        features = design.rows_of(np.asarray(across) @ span)
        ridge = LooRidge.from_features(features, problem.targets, weights=problem.weights)
    alpha = choose_alpha(ridge, alphas, start=choice.alpha)
    penalty = alpha * unit_of(ridge)
    shrinkage = shrink_to_mean(ridge, penalty)
    fitted, intercept = ridge.solve(penalty)
    fitted *= shrinkage.factor
    coefficients = design.to_genes(fitted) if span is None else span @ fitted
    if design.has_combinations:
        offsets = own * coefficients
    else:
        # y − (mean + s (fit − mean)), row by row, brought into the order of the genes.
        residuals = shrinkage.factor * ridge.residuals(penalty)
        residuals += (1.0 - shrinkage.factor) * (problem.targets - ridge.mean)
        offsets = design.to_genes(residuals)
    return Solved(
        intercept=ridge.mean + shrinkage.factor * (intercept - ridge.mean),
        coefficients=coefficients,
        offsets=offsets,
        alpha=alpha,
        shrinkage=shrinkage,
    )


def _half_inverse(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Q Λ^(−1/2) over the eigenvalues of `kernel` that are not zero but for rounding `(n_anchors, n_kept)`."""
    values, vectors = np.linalg.eigh(kernel)
    kept = values > values[-1] * 1e-10
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))
