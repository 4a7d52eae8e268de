"""One solve on all training rows with the kernels that were chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import LooRidge

from ._interactions import interaction_kernels
from ._search import choose_alpha, unit_of
from ._shrinkage import shrink_to_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ._problem import Problem
    from ._settings import Settings
    from ._shrinkage import Shrinkage
    from ._source_kernel import SourceKernel

__all__ = ["Mix", "Solved", "solve"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Mix:
    """Weights of everything that makes up the kernel between perturbations.

    Parameters
    ----------
    shares
        Of the sources `(n_sources,)`.
    own
        Of the genes' own effects, beyond what embeddings know.
    interactions
        Of the interaction kernels, by name.
    alpha
        Where the search ended, in units of the mean eigenvalue.
    """

    shares: tuple[float, ...]
    own: float
    interactions: Mapping[str, float]
    alpha: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Solved:
    """Coefficients of the fitted model; see `Fitted` for how they are used.

    Parameters
    ----------
    ridge, penalty
        The fit and its penalty in its own units.
    intercept, coefficients
        b `(n_genes,)` and β `(n_anchors, n_genes)`.
    interactions
        Coefficients of the combinations in the interaction kernels `(n_combinations, n_genes)`.
    offsets
        For every targeted gene of the design what is its own beyond the kernels `(n_targeted, n_genes)`.
    alpha
        In units of the mean eigenvalue; infinite for the mean alone.
    shrinkage
        Toward the mean.
    interaction_kernel
        Weighted sum of the interaction kernels between rows `(n_perturbations, n_perturbations)`, None where there is none.
    row_coefficients
        Coefficients of the rows before shrinkage `(n_perturbations, n_genes)`, no rows without interactions.
    """

    ridge: LooRidge
    penalty: float
    intercept: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    interactions: NDArray[np.float64]
    offsets: NDArray[np.float64]
    alpha: float
    shrinkage: Shrinkage
    interaction_kernel: NDArray[np.float64] | None
    row_coefficients: NDArray[np.float64]

    def interaction_left_out(self, row: int) -> NDArray[np.float64]:
        """Return the interaction that a fit without this row predicts for it `(n_genes,)`.

        With the upper left block B of the inverse of the bordered system, the coefficients without row i are c − B_:i c_i / B_ii.
        """
        if self.interaction_kernel is None:
            return np.zeros(len(self.intercept))
        ridge, kernel = self.ridge, self.interaction_kernel[row]
        part = (ridge.basis[row] / (ridge.spectrum + self.penalty)) @ ridge.basis.T
        block = ridge.root_weights[row] * ridge.root_weights * part
        own = self.row_coefficients[row]
        without = kernel @ self.row_coefficients - float(kernel @ block) / block[row] * own
        return self.shrinkage.apply(without)


def solve(
    problem: Problem,
    kernels: Sequence[SourceKernel],
    mix: Mix,
    *,
    settings: Settings,
    is_exact: bool,
) -> Solved:
    """Choose α on the exact curve and solve.

    Parameters
    ----------
    problem
        All training rows, all targets.
    kernels
        One for each source, over the anchors.
    mix
        Weights of the kernels.
    settings
        Penalties to try, and what to leave out.
    is_exact
        True: the anchors are all targeted genes. False: they are a sample, and the kernel is k_ga K_aa⁻¹ k_ag (Nyström).
    """
    shared = sum((share * k.anchor_kernel() for share, k in zip(mix.shares, kernels, strict=True)), np.zeros(()))
    design, extra = problem.design, _interaction(problem, mix, shared)
    ridge, span = _ridge(problem, kernels, mix, shared=shared, extra=extra, is_exact=is_exact)
    alpha = choose_alpha(ridge, settings.alphas, start=mix.alpha, groups=problem.groups)
    penalty = alpha * unit_of(ridge)
    by_direction = settings.has("shrinkage") and settings.has("direction_shrinkage")
    shrinkage = shrink_to_mean(ridge, penalty, groups=problem.groups, by_direction=by_direction)
    if not settings.has("shrinkage"):
        shrinkage = replace(shrinkage, factor=1.0)
    raw, intercept = ridge.solve(penalty)
    fitted = shrinkage.apply(raw)
    coefficients = design.to_genes(fitted) if span is None else span @ fitted
    if design.has_combinations:
        offsets = mix.own * coefficients
    else:
        # What was measured less what is predicted, brought into the order of the genes.
        deviation = problem.targets - ridge.residuals(penalty) - ridge.mean
        offsets = design.to_genes(problem.targets - ridge.mean - shrinkage.apply(deviation))
    return Solved(
        ridge=ridge,
        penalty=penalty,
        intercept=ridge.mean + shrinkage.apply(intercept - ridge.mean),
        coefficients=coefficients,
        interactions=fitted[:0] if extra is None else fitted[design.n_genes_each > 1],
        offsets=offsets,
        alpha=alpha,
        shrinkage=shrinkage,
        interaction_kernel=extra,
        row_coefficients=raw[:0] if extra is None else raw,
    )


def _interaction(problem: Problem, mix: Mix, shared: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if not any(mix.interactions.values()):
        return None
    kernels = interaction_kernels(problem.design, problem.design, shared)
    return np.asarray(sum(mix.interactions.get(name, 0.0) * kernel for name, kernel in kernels.items()))


def _ridge(
    problem: Problem,
    kernels: Sequence[SourceKernel],
    mix: Mix,
    *,
    shared: NDArray[np.float64],
    extra: NDArray[np.float64] | None,
    is_exact: bool,
) -> tuple[LooRidge, NDArray[np.float64] | None]:
    """Return the decomposed kernel between all rows, and what maps its coefficients to the anchors if these are a sample."""
    design = problem.design
    if is_exact:
        kernel = design.between(shared + mix.own * np.eye(len(design.genes)))
        return problem.ridge(kernel if extra is None else kernel + extra), None
    span = _half_inverse(shared)
    across = sum(
        (
            share * k.between(k.features.source.locate(design.genes).rows)
            for share, k in zip(mix.shares, kernels, strict=True)
        ),
        np.zeros(()),
    )
    return LooRidge.from_features(design.rows_of(across @ span), problem.targets, weights=problem.weights), span


def _half_inverse(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Q Λ^(−1/2) over the eigenvalues of `kernel` that are not zero but for rounding `(n_anchors, n_kept)`."""
    values, vectors = np.linalg.eigh(kernel)
    kept = values > values[-1] * 1e-10
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))
