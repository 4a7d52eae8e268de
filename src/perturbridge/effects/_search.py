"""Choosing kernels, source weights and α by exact leave-one-out over the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import LooRidge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ._design import Design

__all__ = ["Choice", "Problem", "Shrinkage", "choose_alpha", "choose_kernel", "shrink_to_mean", "unit_of"]

# Shares tried for a source that joins those chosen so far.
_SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
# Penalties tried at first for each kernel: every eighth.
_STRIDE = 8
# Targets are taken in blocks of columns where left-out residuals themselves are needed.
_BLOCK = 512


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Rows to learn from.

    Parameters
    ----------
    design
        Perturbations and their genes.
    targets
        Δ, or a random projection of it `(n_perturbations, n_targets)`.
    weights
        Weight of each row `(n_perturbations,)`, or None for equal ones.
    """

    design: Design
    targets: NDArray[np.float64]
    weights: NDArray[np.float64] | None

    def gene_weights(self) -> NDArray[np.float64]:
        """Weight of each gene in the mean of the rows, Σ_{P ∋ g} w_P n_P up to scale `(n_targeted,)`."""
        rows = self.design.n_genes_each if self.weights is None else self.weights * self.design.n_genes_each
        return self.design.to_genes(rows)

    def ridge(self, gene_kernel: NDArray[np.float64]) -> LooRidge:
        """Decompose the kernel between perturbations that follows from one between genes; the intercept counts genes."""
        return LooRidge.from_kernel(
            self.design.between(gene_kernel),
            self.targets,
            weights=self.weights,
            multiplier=self.design.n_genes_each,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Choice:
    """What leave-one-out prefers.

    Parameters
    ----------
    candidates
        For each source the index of its kernel.
    shares
        Weight of each source, not negative, sum 1 `(n_sources,)`.
    alpha
        Penalty, in units of the mean eigenvalue.
    error
        Leave-one-out error there.
    """

    candidates: tuple[int, ...]
    shares: tuple[float, ...]
    alpha: float
    error: float


def unit_of(ridge: LooRidge) -> float:
    """Mean eigenvalue over the rows, the unit of α, so that α = 1 means as much signal as noise; 1 for a kernel of zeros."""
    return float(ridge.spectrum.sum()) / len(ridge.root_weights) or 1.0


class _Curve:
    """Left-out error over a grid of penalties, each computed once, when it is asked for."""

    def __init__(self, ridge: LooRidge, alphas: Sequence[float]) -> None:
        self._ridge, self._alphas, self._unit = ridge, alphas, unit_of(ridge)
        self._known: dict[int, float] = {}

    def error(self, i: int) -> float:
        if i not in self._known:
            self._known[i] = self._ridge.loo_error(self._alphas[i] * self._unit)
        return self._known[i]

    def descend(self, start: int) -> int:
        """Go to the lower neighbour until there is none."""
        at, last = start, len(self._alphas) - 1
        while True:
            lowest = min((at, max(at - 1, 0), min(at + 1, last)), key=self.error)
            if lowest == at:
                return at
            at = lowest


def _best(ridge: LooRidge, alphas: Sequence[float]) -> tuple[float, float]:
    """Return the lowest error and its penalty: every eighth one first, then downhill from the best of these."""
    curve = _Curve(ridge, alphas)
    at = curve.descend(min(range(0, len(alphas), _STRIDE), key=curve.error))
    return curve.error(at), alphas[at]


def choose_kernel(
    problem: Problem, candidates: Sequence[Sequence[NDArray[np.float64]]], alphas: Sequence[float]
) -> Choice:
    """Choose one kernel for each source, then the weights of the sources.

    Each source first stands alone. Then, best source first, every other one may take a share of the sum, if that lowers the error.

    Parameters
    ----------
    problem
        Rows to learn from.
    candidates
        Gene kernels of each source, mean diagonal 1, `(n_targeted, n_targeted)`.
    alphas
        Penalties to try, in units of the mean eigenvalue, ascending.
    """
    alone = [min((*_best(problem.ridge(k), alphas), i) for i, k in enumerate(kernels)) for kernels in candidates]
    chosen = tuple(i for _, _, i in alone)
    order = sorted(range(len(alone)), key=lambda s: alone[s][0])
    error, alpha, _ = alone[order[0]]
    shares = np.eye(len(alone))[order[0]]
    kernel = candidates[order[0]][chosen[order[0]]]
    for source in order[1:]:
        other = candidates[source][chosen[source]]
        trials = [(*_best(problem.ridge((1 - t) * kernel + t * other), alphas), t) for t in _SHARES]
        trial_error, trial_alpha, share = min(trials)
        if trial_error < error:
            error, alpha = trial_error, trial_alpha
            kernel = (1 - share) * kernel + share * other
            shares = (1 - share) * shares + share * np.eye(len(alone))[source]
    return Choice(candidates=chosen, shares=tuple(shares.tolist()), alpha=alpha, error=error)


def choose_alpha(ridge: LooRidge, alphas: Sequence[float], *, start: float) -> float:
    """Walk down the exact leave-one-out curve from `start` to its nearest minimum; infinity where the mean alone is as good.

    Parameters
    ----------
    ridge
        The fit.
    alphas
        Penalties in units of the mean eigenvalue, ascending.
    start
        Near this one.

    Returns
    -------
    float
        In units of the mean eigenvalue.
    """
    curve = _Curve(ridge, alphas)
    at = curve.descend(int(np.argmin(np.abs(np.log(alphas) - np.log(start)))))
    return alphas[at] if curve.error(at) < ridge.loo_error(np.inf) else float("inf")


@dataclass(frozen=True, kw_only=True)
class Shrinkage:
    """How far the prediction keeps its distance from the mean effect.

    Parameters
    ----------
    factor
        s in [0, 1]: the prediction is mean + s · (fit − mean).
    loo_r2
        1 − Σ w‖e‖² / Σ w‖e⁰‖² of the shrunken prediction; 0 is the training mean, 1 is perfect.
    """

    factor: float
    loo_r2: float


def shrink_to_mean(ridge: LooRidge, alpha: float) -> Shrinkage:
    """Return s = min(1, a / b) · max(0, 1 − SE(a)² / a²), with a = Σ_p w_p e⁰_p · d_p and b = Σ_p w_p ‖d_p‖².

    e⁰ are the left-out residuals of the mean alone, e those of the model, d = e⁰ − e its left-out deviation from the mean. So a is the
    agreement of what was left out with what was predicted for it, and a / b the slope of the one on the other. Kernel and α were chosen
    on the same rows, so their promise is a little too good; where the agreement is no larger than its standard error the deviation is
    noise and is dropped. This is the positive-part shrinkage of one estimated coefficient; at t standard errors it costs 1/t² of it.

    Parameters
    ----------
    ridge, alpha
        The fit, and the penalty in its own units.
    """
    weights = ridge.root_weights**2
    agreement, deviation, alone = (np.zeros(len(weights)) for _ in range(3))
    for start in range(0, ridge.targets.shape[1], _BLOCK):
        columns = slice(start, start + _BLOCK)
        without = ridge.loo_residuals(np.inf, columns=columns)
        step = without - ridge.loo_residuals(alpha, columns=columns)
        agreement += weights * np.einsum("ij,ij->i", without, step)
        deviation += weights * np.einsum("ij,ij->i", step, step)
        alone += weights * np.einsum("ij,ij->i", without, without)
    total, scale = float(agreement.sum()), float(alone.sum())
    if total <= 0 or scale <= 0:
        return Shrinkage(factor=0.0, loo_r2=0.0)
    variance = len(agreement) * float(agreement.var(ddof=1))
    spread = float(deviation.sum())
    factor = min(1.0, total / spread) * max(0.0, 1.0 - variance / total**2)
    return Shrinkage(factor=factor, loo_r2=(2 * factor * total - factor**2 * spread) / scale)
