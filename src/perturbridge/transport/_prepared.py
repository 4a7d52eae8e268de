"""Controls of each stratum, made ready once for all perturbations: self-plan, spread, and what happens where nothing was perturbed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ._null import MeanNull, NullControls, PlanNull, mean_null, plan_null, size_class
from ._self_map import self_plan
from .solvers import SOLVERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import CellMap

    from ._cells import TrainingCells
    from ._settings import AlignmentSettings

__all__ = ["Stratum", "prepare_strata", "with_nulls"]

# A stratum's own variance is trusted from this many controls on.
_MIN_SPREAD = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Stratum:
    """Controls of one stratum.

    Parameters
    ----------
    name
        `context | state`, as far as it has them.
    n_controls
        All of them.
    mean, spread
        Mean of all `(n_dims,)`, and variance summed over dimensions.
    x, context
        Those that enter plans, and their contexts.
    still
        Where the self-map puts them; themselves where the solver has none.
    self_map
        T₀, None for the identity.
    epsilon, mean_cost
        Entropic strength, and mean cost between two controls of all strata.
    has_plans
        Whether there are enough controls, and a self-plan that converged.
    status
        Why not, empty otherwise.
    plan_nulls, mean_nulls
        By size class.
    """

    name: str
    n_controls: int
    mean: NDArray[np.float64]
    spread: float
    x: NDArray[np.float64]
    context: NDArray[np.int64]
    still: NDArray[np.float64]
    self_map: CellMap | None
    epsilon: float
    mean_cost: float
    has_plans: bool
    status: str
    plan_nulls: Mapping[int, PlanNull]
    mean_nulls: Mapping[int, MeanNull]

    def plan_null(self, n_perturbed: int) -> PlanNull:
        """Return the null of plans for this many cells."""
        return self.plan_nulls[size_class(n_perturbed, len(self.x))]

    def mean_null(self, n_perturbed: int) -> MeanNull:
        """Return the null of means for this many cells."""
        return self.mean_nulls[size_class(n_perturbed, len(self.x))]


def prepare_strata(
    cells: TrainingCells, settings: AlignmentSettings, *, rng: np.random.Generator
) -> tuple[Stratum, ...]:
    """Make the controls of every stratum ready.

    Parameters
    ----------
    cells
        Training cells.
    settings
        Of the alignment.
    rng
        Draws controls and nulls.
    """
    pooled = _within_variance(cells)
    mean_cost = 2.0 * float(cells.x.var(axis=0).sum())
    rngs = rng.spawn(len(cells.strata))
    return tuple(
        _prepare(cells, k, settings, pooled=pooled, mean_cost=mean_cost, rng=rngs[k]) for k in range(len(cells.strata))
    )


def _within_variance(cells: TrainingCells) -> float:
    """Variance of the controls within strata, summed over dimensions."""
    total, freedom = 0.0, 0
    for k in range(len(cells.strata)):
        x = cells.x[cells.x_stratum == k]
        total += float(((x - x.mean(axis=0)) ** 2).sum()) if len(x) else 0.0
        freedom += max(len(x) - 1, 0)
    return total / max(freedom, 1)


def _prepare(
    cells: TrainingCells,
    k: int,
    settings: AlignmentSettings,
    *,
    pooled: float,
    mean_cost: float,
    rng: np.random.Generator,
) -> Stratum:
    record = SOLVERS[settings.solver]
    inside = np.flatnonzero(cells.x_stratum == k)
    x = cells.x[inside]
    spread = float(x.var(axis=0, ddof=1).sum()) if len(x) >= _MIN_SPREAD else pooled
    epsilon = min(settings.epsilon * mean_cost, 0.5 * 2.0 * spread)
    drawn = (
        np.arange(len(x))
        if len(x) <= settings.max_controls
        else np.sort(rng.choice(len(x), settings.max_controls, replace=False))
    )
    part = x[drawn]
    status = _unfit(len(part), epsilon, settings)
    still, self_map = part, None
    if not status and record.debiased:
        own = self_plan(part, epsilon=epsilon, tolerance=settings.tolerance)
        still, self_map = own.at_controls, own.map
        status = "" if own.converged else "the self-plan of its controls did not converge"
    prepared = Stratum(
        name=" | ".join(part for part in cells.strata[k] if part) or "all",
        n_controls=len(x),
        mean=x.mean(axis=0),
        spread=spread,
        x=part,
        context=cells.x_context[inside][drawn],
        still=still,
        self_map=self_map if not status else None,
        epsilon=epsilon,
        mean_cost=mean_cost,
        has_plans=not status,
        status=status,
        plan_nulls={},
        mean_nulls={},
    )
    return _with_nulls(prepared, _sizes(cells.y_stratum, k), settings, rng=rng)


def with_nulls(
    strata: Sequence[Stratum],
    groups: Sequence[NDArray[np.int64]],
    settings: AlignmentSettings,
    *,
    rng: np.random.Generator,
) -> tuple[Stratum, ...]:
    """Return the strata with nulls for the sizes of further groups of cells; those that are there stay as they are.

    Parameters
    ----------
    strata
        Ready.
    groups
        Stratum of each cell of each group.
    settings
        Of the alignment.
    rng
        Draws nulls.
    """
    rngs = rng.spawn(len(strata))
    return tuple(_with_nulls(stratum, _sizes(groups, k), settings, rng=rngs[k]) for k, stratum in enumerate(strata))


def _with_nulls(stratum: Stratum, sizes: set[int], settings: AlignmentSettings, *, rng: np.random.Generator) -> Stratum:
    x, solve = stratum.x, SOLVERS[settings.solver].solve
    controls = NullControls(x=x, still=stratum.still, epsilon=stratum.epsilon, mean_cost=stratum.mean_cost)
    planned = {size_class(m, len(x)) for m in sizes if m >= settings.min_cells} if stratum.has_plans else set()
    drawn = {size_class(m, len(x)) for m in sizes} if len(x) >= 4 else set()
    plans = {
        m: plan_null(controls, solve, n_drawn=m, n_draws=settings.n_null, settings=settings, rng=rng)
        for m in sorted(planned - set(stratum.plan_nulls))
    }
    means = {
        m: mean_null(x, n_drawn=m, n_draws=settings.n_draws, rng=rng) for m in sorted(drawn - set(stratum.mean_nulls))
    }
    return replace(stratum, plan_nulls={**stratum.plan_nulls, **plans}, mean_nulls={**stratum.mean_nulls, **means})


def _unfit(n_controls: int, epsilon: float, settings: AlignmentSettings) -> str:
    if n_controls < settings.min_controls:
        return f"{n_controls} controls"
    return "" if epsilon > 0 else "controls that do not differ"


def _sizes(strata: Sequence[NDArray[np.int64]], k: int) -> set[int]:
    """How many cells the perturbations have in this stratum, those without any left out."""
    return {n for codes in strata if (n := int((codes == k).sum()))}
