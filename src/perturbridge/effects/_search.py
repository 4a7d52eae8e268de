"""Choosing kernels, source weights and α by exact leave-one-out over the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from perturbridge.numerics import LooRidge

    from ._problem import Problem

__all__ = ["Choice", "Trial", "choose_alpha", "choose_kernel", "try_kernel", "unit_of"]

# Shares tried for a source that joins those chosen so far.
_SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
# Standard errors by which a rougher kernel, and a sum with one more source, must lower the error.
_KERNEL_BY, _SHARE_BY = 1.0, 0.5
# Penalties tried at first for each kernel: every eighth.
_STRIDE = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """A kernel at its best penalty.

    Parameters
    ----------
    kernel
        Between the rows `(n_perturbations, n_perturbations)`.
    alpha
        Penalty, in units of the mean eigenvalue.
    errors
        w_i ‖e_i‖² of each row left out `(n_perturbations,)`; see `try_kernel`.
    """

    kernel: NDArray[np.float64]
    alpha: float
    errors: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Mean of the rows."""
        return float(self.errors.mean())

    def certainty_against(self, other: Trial, rows: NDArray[np.bool_] | None = None) -> float:
        """max(0, 1 − SE² / gain²) with gain the mean over rows, all or these, of what the other errs more, and SE its standard error.

        Among many trials the lowest error is low by luck too, the more so the fewer the rows. What a part adds is therefore taken at the
        worth that rows agree on, much as in `shrink_to_mean`: at t standard errors 1 − 1/t² of it, at one standard error nothing.
        """
        gain = other.errors - self.errors if rows is None else (other.errors - self.errors)[rows]
        mean = float(gain.mean()) if len(gain) > 1 else 0.0
        return max(0.0, 1.0 - float(gain.var(ddof=1)) / (len(gain) * mean**2)) if mean > 0 else 0.0

    def betters(self, other: Trial, *, by: float) -> bool:
        """Return True where the other errs more by more than `by` standard errors of the paired difference."""
        gain = other.errors - self.errors
        return len(gain) > 1 and float(gain.mean()) > by * float(gain.std(ddof=1)) / np.sqrt(len(gain))


@dataclass(frozen=True, eq=False, kw_only=True)
class Choice:
    """What leave-one-out prefers.

    Parameters
    ----------
    candidates
        For each source the index of its kernel.
    shares
        Weight of each source, not negative, sum 1 `(n_sources,)`.
    trial
        The sum of the kernels so weighted.
    """

    candidates: tuple[int, ...]
    shares: tuple[float, ...]
    trial: Trial


def unit_of(ridge: LooRidge) -> float:
    """Mean eigenvalue over the rows, the unit of α, so that α = 1 means as much signal as noise; 1 for a kernel of zeros."""
    return float(ridge.spectrum.sum()) / len(ridge.root_weights) or 1.0


class _Curve:
    """Left-out error over a grid of penalties, each computed once, when it is asked for."""

    def __init__(self, ridge: LooRidge, alphas: Sequence[float], groups: Sequence[NDArray[np.int64]]) -> None:
        self._ridge, self._alphas, self._groups, self._unit = ridge, alphas, groups, unit_of(ridge)
        self._known: dict[int, NDArray[np.float64]] = {}

    def errors(self, i: int) -> NDArray[np.float64]:
        if i not in self._known:
            self._known[i] = self._ridge.loo_squared(self._alphas[i] * self._unit, groups=self._groups)
        return self._known[i]

    def error(self, i: int) -> float:
        return float(self.errors(i).mean())

    def descend(self, start: int) -> int:
        """Go to the lower neighbour until there is none."""
        at, last = start, len(self._alphas) - 1
        while True:
            lowest = min((at, max(at - 1, 0), min(at + 1, last)), key=self.error)
            if lowest == at:
                return at
            at = lowest


def try_kernel(
    problem: Problem, kernel: NDArray[np.float64], alphas: Sequence[float], *, start: float | None = None
) -> Trial:
    """Find the penalty with the lowest left-out error: every eighth one first, then downhill; or downhill from `start`.

    Where there are combinations the errors of the trial are the mean over two questions: each row left out alone, and with every row of
    its genes.
    """
    ridge = problem.ridge(kernel)
    curve = _Curve(ridge, alphas, problem.groups)
    if start is None:
        start_at = min(range(0, len(alphas), _STRIDE), key=curve.error)
    else:
        start_at = int(np.argmin(np.abs(np.log(alphas) - np.log(start))))
    at = curve.descend(start_at)
    errors = curve.errors(at)
    if problem.design.has_combinations:
        # With all but one row of a gene at hand its own effect looks like all there is to know; a gene that is new has none.
        errors = 0.5 * (errors + problem.new_gene_errors(ridge, alphas[at] * unit_of(ridge)))
    return Trial(kernel=kernel, alpha=alphas[at], errors=errors)


def choose_kernel(
    problem: Problem,
    candidates: Sequence[Sequence[Callable[[], NDArray[np.float64]]]],
    alphas: Sequence[float],
    *,
    weigh: bool = True,
) -> Choice:
    """Choose one kernel for each source, then the weights of the sources.

    Each source first stands alone, with the smoothest kernel that no rougher one betters by more than a standard error (the rule of
    Breiman et al. 1984). Then, best source first, every other one may take a share of the sum, if that lowers the error by more than half
    a standard error. The lowest error itself is low by luck too: on simulated screens of 60 rows it preferred narrow kernels that few
    pairs of genes speak for, and gave shares to sources that know nothing. A full standard error would keep out weak but true ones.

    Parameters
    ----------
    problem
        Rows to learn from.
    candidates
        For each source what makes its kernels between the rows, smoothest first, each of which has the same scale.
    alphas
        Penalties to try, in units of the mean eigenvalue, ascending.
    weigh
        False: give all sources the same share.
    """
    alone = [_best_of(problem, kernels, alphas) for kernels in candidates]
    chosen, n = tuple(i for i, _ in alone), len(alone)
    if not weigh:
        kernel = sum((trial.kernel for _, trial in alone), np.zeros(())) / n
        return Choice(candidates=chosen, shares=(1 / n,) * n, trial=try_kernel(problem, kernel, alphas))
    order = sorted(range(n), key=lambda s: alone[s][1].error)
    best, shares = alone[order[0]][1], np.eye(n)[order[0]]
    for source in order[1:]:
        other = alone[source][1].kernel
        trials = [try_kernel(problem, (1 - t) * best.kernel + t * other, alphas, start=best.alpha) for t in _SHARES]
        grown, share = min(zip(trials, _SHARES, strict=True), key=lambda pair: pair[0].error)
        if grown.betters(best, by=_SHARE_BY):
            best, shares = grown, (1 - share) * shares + share * np.eye(n)[source]
    return Choice(candidates=chosen, shares=tuple(shares.tolist()), trial=best)


def _best_of(
    problem: Problem, kernels: Sequence[Callable[[], NDArray[np.float64]]], alphas: Sequence[float]
) -> tuple[int, Trial]:
    index, best = 0, try_kernel(problem, kernels[0](), alphas)
    for i, make in enumerate(kernels[1:], start=1):
        trial = try_kernel(problem, make(), alphas)
        if trial.betters(best, by=_KERNEL_BY):
            index, best = i, trial
    return index, best


def choose_alpha(
    ridge: LooRidge, alphas: Sequence[float], *, start: float, groups: Sequence[NDArray[np.int64]] = ()
) -> float:
    """Walk down the exact leave-one-out curve from `start` to its nearest minimum; infinity where the mean alone is as good.

    Parameters
    ----------
    ridge
        The fit.
    alphas
        Penalties in units of the mean eigenvalue, ascending.
    start
        Near this one.
    groups
        Rows that are left out together.

    Returns
    -------
    float
        In units of the mean eigenvalue.
    """
    curve = _Curve(ridge, alphas, groups)
    at = curve.descend(int(np.argmin(np.abs(np.log(alphas) - np.log(start)))))
    return alphas[at] if curve.error(at) < ridge.loo_error(np.inf, groups=groups) else float("inf")
