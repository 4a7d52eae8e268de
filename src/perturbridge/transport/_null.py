"""Controls against controls: what plans, means and halves give where nothing was perturbed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .solvers import Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._settings import AlignmentSettings
    from .solvers import Solver

__all__ = ["MeanNull", "NullControls", "PlanNull", "correlation", "mean_null", "plan_null", "size_class"]

_SMALLEST = 10


def size_class(n_perturbed: int, n_controls: int) -> int:
    """The number of drawn controls that stands for `n_perturbed` cells: 10 · 2^j, at most half of the controls."""
    steps = round(float(np.log2(max(n_perturbed, _SMALLEST) / _SMALLEST)))
    return max(2, min(_SMALLEST << steps, n_controls // 2))


@dataclass(frozen=True, eq=False, kw_only=True)
class NullControls:
    """Controls of a stratum, as nulls need them.

    Parameters
    ----------
    x
        `(n_controls, n_dims)`.
    still
        Where the self-map of the solver puts each: the cell itself if the solver has none `(n_controls, n_dims)`.
    epsilon, mean_cost
        Of the plans.
    """

    x: NDArray[np.float64]
    still: NDArray[np.float64]
    epsilon: float
    mean_cost: float


@dataclass(frozen=True, eq=False, kw_only=True)
class PlanNull:
    """Plans from controls to controls that were drawn as if perturbed.

    Parameters
    ----------
    n_drawn
        How many were drawn for each.
    top
        Largest eigenvalue of RᵀR/n of their displacements R freed of the mean, averaged over draws, squared units of the latent.
    agreement
        Correlation of R between draws, averaged: what two halves share because they start from the same controls.
    """

    n_drawn: int
    top: float
    agreement: float

    def at(self, n_perturbed: int) -> float:
        """Largest eigenvalue for this many cells: noise falls as one over their number."""
        return self.top * self.n_drawn / n_perturbed


def plan_null(
    stratum: NullControls,
    solver: Solver,
    *,
    n_drawn: int,
    n_draws: int,
    settings: AlignmentSettings,
    rng: np.random.Generator,
) -> PlanNull:
    """Draw controls, pair the others with them, and look at displacements that ought to be none.

    Parameters
    ----------
    stratum
        Controls and where an unperturbed cell is put.
    solver
        The one whose plans are judged.
    n_drawn, n_draws
        Size of a draw, and how many.
    settings
        Of the alignment.
    rng
        Draws.
    """
    x, still = stratum.x, stratum.still
    tops, kept = [], []
    for _ in range(n_draws):
        order = rng.permutation(len(x))
        drawn, rest = order[:n_drawn], np.sort(order[n_drawn:])
        problem = Problem(
            x=x[rest],
            y=x[drawn],
            epsilon=stratum.epsilon,
            self_at_x=still[rest],
            mean_cost=stratum.mean_cost,
            tolerance=settings.tolerance,
            reach=settings.reach,
            moved_share=settings.moved_share,
            diagnosed=False,
        )
        done = solver(problem)
        if not done.converged:
            continue
        apart = done.at_x - still[rest]
        apart -= apart.mean(axis=0)
        tops.append(float(np.linalg.eigvalsh(apart.T @ apart / len(rest))[-1]))
        whole = np.full(x.shape, np.nan)
        whole[rest] = apart
        kept.append(whole)
    agreement = [correlation(a, b) for a, b in pairwise(kept)]
    return PlanNull(
        n_drawn=n_drawn,
        # Without one plan that converged nothing is known of the noise, and nothing is kept.
        top=float(np.mean(tops)) if tops else np.inf,
        agreement=float(np.mean(agreement)) if agreement else 1.0,
    )


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Σ a·b / √(Σ a² Σ b²) over the rows that both know."""
    both = np.isfinite(a[:, 0]) & np.isfinite(b[:, 0])
    left, right = a[both], b[both]
    length = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum()) / length if length > 0 else 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanNull:
    """Squared distance of the mean of drawn controls from that of the rest, in units of its expectation `(n_draws,)`."""

    draws: NDArray[np.float64]


def mean_null(x: NDArray[np.float64], *, n_drawn: int, n_draws: int, rng: np.random.Generator) -> MeanNull:
    """‖mean of drawn − mean of rest‖² / (s² (1/m + 1/(n − m))) for random draws of m of n controls, s² their summed variance.

    Parameters
    ----------
    x
        Controls of a stratum.
    n_drawn, n_draws
        m, and how many draws.
    rng
        Draws.
    """
    n = len(x)
    total, spread = x.sum(axis=0), float(x.var(axis=0, ddof=1).sum())
    out = np.zeros(n_draws)
    for i in range(n_draws):
        part = x[rng.choice(n, n_drawn, replace=False)].sum(axis=0)
        gap = part / n_drawn - (total - part) / (n - n_drawn)
        out[i] = gap @ gap
    expected = spread * (1.0 / n_drawn + 1.0 / (n - n_drawn))
    return MeanNull(draws=out / expected if expected > 0 else np.ones(n_draws))
