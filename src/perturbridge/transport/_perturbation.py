"""One perturbation against the controls that were made ready."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Displacement, PlanReport

from ._diagnose import mass_report
from ._judge import judge, p_value
from ._null import correlation
from ._pooling import pool_means
from ._shrink import kept_directions
from .solvers import SOLVERS, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import DisplacementReport

    from ._cells import TrainingCells
    from ._diagnose import MassReport
    from ._prepared import Stratum
    from ._settings import AlignmentSettings
    from .solvers import Solution, SolverRecord

__all__ = ["PerturbationAligned", "Perturbed", "align_perturbation", "perturbed_cells"]

_MIN_SPREAD = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Perturbed:
    """Cells of one perturbation in centred coordinates; codes as in `TrainingCells`."""

    name: str
    y: NDArray[np.float64]
    context: NDArray[np.int64]
    stratum: NDArray[np.int64]
    n_left_out: int


@dataclass(frozen=True, eq=False, kw_only=True)
class PerturbationAligned:
    """Displacements and plan reports by stratum, a report of the whole, and the mass between contexts, summed over plans by cells."""

    displacements: tuple[Displacement, ...]
    plans: tuple[PlanReport, ...]
    report: DisplacementReport
    context_mass: NDArray[np.float64]


def perturbed_cells(cells: TrainingCells, names: Sequence[str]) -> list[Perturbed]:
    """Return the cells of each perturbation by itself."""
    return [
        Perturbed(
            name=name,
            y=cells.y[i],
            context=cells.y_context[i],
            stratum=cells.y_stratum[i],
            n_left_out=cells.n_left_out[i],
        )
        for i, name in enumerate(names)
    ]


def align_perturbation(
    cells: Perturbed,
    strata: Sequence[Stratum],
    *,
    states: Sequence[str],
    context_controls: NDArray[np.int64],
    settings: AlignmentSettings,
    rng: np.random.Generator,
) -> PerturbationAligned:
    """Displacements of every stratum by this perturbation, a report of each plan, and one of the whole.

    Parameters
    ----------
    cells
        Its cells.
    strata
        Controls, ready.
    states
        State of each stratum.
    context_controls
        Controls behind the centre of each context `(n_contexts,)`.
    settings
        Of the alignment.
    rng
        Draws halves.
    """
    parts = [np.flatnonzero(cells.stratum == k) for k in range(len(strata))]
    record = SOLVERS[settings.solver]
    means, noise, unmoved = _means(cells, parts, strata, context_controls=context_controls)
    shares = np.array([stratum.n_controls for stratum in strata], dtype=np.float64)
    pooled = pool_means(means, noise, shares=shares / shares.sum(), shrink=record.shrunk)
    displacements, plans, lengths = [], [], []
    n_contexts = len(context_controls)
    mass = np.zeros((n_contexts, n_contexts))
    for k, (part, stratum) in enumerate(zip(parts, strata, strict=True)):
        shuffled = part[rng.permutation(len(part))]
        problem = _problem(cells.y[shuffled], stratum, settings) if _has_plan(part, stratum, settings) else None
        solved = None if problem is None else record.solve(problem)
        within = _within(problem, solved, stratum, record=record, shift=pooled.shifts[k])
        displacements.append(within.moved)
        lengths.append(within.squared)
        seen = None
        if solved is not None and solved.plan is not None:
            contexts = (stratum.context, cells.context[shuffled])
            seen = mass_report(solved.plan, contexts=contexts, n_contexts=n_contexts)
            mass += len(part) * seen.between
        about = PlanReport(
            perturbation=cells.name,
            stratum=stratum.name,
            level="mean" if len(part) else "pooled",
            n_controls=stratum.n_controls,
            n_perturbed=len(part),
            status=stratum.status,
            own_share=float(pooled.own_share[k]),
        )
        plans.append(
            about if solved is None else _solved(about, solved, stratum, seen=seen, gap=means[k], within=within)
        )
    sizes = [len(part) for part in parts]
    report = judge(
        cells.name,
        plans,
        pooled=pooled,
        squared=lengths,
        strata=strata,
        states=states,
        n_left_out=cells.n_left_out + int((cells.stratum < 0).sum()),
        p=p_value(means, unmoved, sizes, strata=strata, n_draws=settings.n_draws),
    )
    return PerturbationAligned(displacements=tuple(displacements), plans=tuple(plans), report=report, context_mass=mass)


def _means(
    cells: Perturbed,
    parts: Sequence[NDArray[np.int64]],
    strata: Sequence[Stratum],
    *,
    context_controls: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """D_k, its squared standard error, and what that error would be for cells as variable as controls; ∞ without cells.

    s² (1/m + Σ_b (m_b/m)²/n_b + 1/n): the cells, the centres of their contexts b, the controls of the stratum.
    """
    means = np.zeros((len(strata), strata[0].mean.shape[0]))
    noise, unmoved = np.full(len(strata), np.inf), np.full(len(strata), np.inf)
    for k, (part, stratum) in enumerate(zip(parts, strata, strict=True)):
        m = len(part)
        if not m:
            continue
        y = cells.y[part]
        means[k] = y.mean(axis=0) - stratum.mean
        shares = np.bincount(cells.context[part], minlength=len(context_controls)) / m
        centres = float((shares**2 / context_controls).sum()) + 1.0 / stratum.n_controls
        spread = float(y.var(axis=0, ddof=1).sum()) if m >= _MIN_SPREAD else stratum.spread
        noise[k] = spread / m + stratum.spread * centres
        unmoved[k] = stratum.spread * (1.0 / m + centres)
    return means, noise, unmoved


def _has_plan(part: NDArray[np.int64], stratum: Stratum, settings: AlignmentSettings) -> bool:
    return len(part) >= settings.min_cells and stratum.has_plans


def _problem(y: NDArray[np.float64], stratum: Stratum, settings: AlignmentSettings) -> Problem:
    return Problem(
        x=stratum.x,
        y=y,
        epsilon=stratum.epsilon,
        self_at_x=stratum.still,
        mean_cost=stratum.mean_cost,
        tolerance=settings.tolerance,
        reach=settings.reach,
        moved_share=settings.moved_share,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Within:
    """The displacement of a stratum, the share of its variance that is kept, the agreement of halves, and its mean square."""

    moved: Displacement
    squared: float
    kept: float = 0.0
    halves: float = nan


def _within(
    problem: Problem | None,
    solved: Solution | None,
    stratum: Stratum,
    *,
    record: SolverRecord,
    shift: NDArray[np.float64],
) -> _Within:
    alike = _Within(moved=Displacement(shift=shift), squared=float(shift @ shift))
    if problem is None or solved is None or not solved.converged:
        return alike
    apart = solved.at_x - stratum.still
    mean = apart.mean(axis=0)
    apart -= mean
    m, keep, kept, halves = len(problem.y), np.eye(len(shift)), 1.0, nan
    if record.shrunk:
        null = stratum.plan_null(m)
        keep, kept = kept_directions(apart, null.at(m))
        halves = _agreement(problem, record, stratum) if kept else nan
        if not halves > null.agreement:
            return replace(alike, halves=halves)
    whole = shift + apart @ keep
    moved = Displacement(shift=shift, map=solved.map, mean=mean, keep=keep)
    return _Within(
        moved=moved, squared=float(np.einsum("ij,ij->", whole, whole)) / len(whole), kept=kept, halves=halves
    )


def _agreement(problem: Problem, record: SolverRecord, stratum: Stratum) -> float:
    """Correlation of the displacements, freed of their means, of two halves of the cells; NaN where a half has one cell or did not converge."""
    middle = len(problem.y) // 2
    if middle < 2:
        return nan
    both = [record.solve(problem.part(half)) for half in (slice(0, middle), slice(middle, None))]
    if not all(half.converged for half in both):
        return nan
    first, second = (half.at_x - stratum.still for half in both)
    return correlation(first - first.mean(axis=0), second - second.mean(axis=0))


def _solved(
    about: PlanReport,
    solved: Solution,
    stratum: Stratum,
    *,
    seen: MassReport | None,
    gap: NDArray[np.float64],
    within: _Within,
) -> PlanReport:
    own = gap + stratum.mean - stratum.x.mean(axis=0)
    off = float(np.linalg.norm((solved.at_x - stratum.still).mean(axis=0) - own))
    return replace(
        about,
        level="plan" if solved.converged else "failed",
        status=solved.status,
        precision=solved.precision,
        n_iterations=solved.n_iterations,
        epsilon=stratum.epsilon,
        mean_error=off / max(float(np.linalg.norm(own)), 1e-300) if solved.converged else nan,
        heterogeneity=within.kept,
        split_half=within.halves,
        **({} if seen is None else seen.figures()),  # type: ignore[arg-type]
    )
