"""Solvers of POT: exact, unbalanced and partial plans; each is believed for its plan, not for its warnings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.values import NearestMap, SoftMap

from ._problem import Solution

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._problem import Problem

__all__ = ["solve_emd", "solve_partial", "solve_unbalanced"]

_MAX_PIVOTS = 10_000_000
_OPTIMAL = 1


def _quietly(call: Callable[[], Any]) -> tuple[Any, str]:
    """Run a solver of POT, whose warnings become part of the status."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        answer = call()
    return answer, "; ".join(str(w.message).splitlines()[0] for w in heard[:1])


def _uniform(problem: Problem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, m = len(problem.x), len(problem.y)
    return np.full(n, 1.0 / n), np.full(m, 1.0 / m)


def _barycentres(plan: NDArray[Any], problem: Problem) -> NDArray[np.float64]:
    """Barycentres of the rows; a control without mass stays where the self-map puts it."""
    mass = plan.sum(axis=1, keepdims=True)
    moved = np.divide(plan @ problem.y.astype(np.float64), mass, out=np.zeros(problem.x.shape), where=mass > 0)
    return np.where(mass > 1e-6 / len(plan), moved, problem.self_at_x)


def solve_emd(problem: Problem) -> Solution:
    """P = argmin ⟨P, C⟩ by network simplex (`ot.emd`); optimal only if its result code says so.

    A new cell moves as the nearest control of the plan does. The self-map of an exact plan is the identity.
    """
    import ot

    a, b = _uniform(problem)
    cost = problem.cost.astype(np.float64)
    (plan, log), heard = _quietly(lambda: ot.emd(a, b, cost, numItermax=_MAX_PIVOTS, log=True))
    optimal = int(log["result_code"]) == _OPTIMAL and abs(float(plan.sum()) - 1.0) < 1e-6
    at = _barycentres(plan, problem)
    return Solution(
        map=NearestMap(problem.x.astype(np.float32), (at - problem.x).astype(np.float32)),
        at_x=at,
        converged=optimal,
        status="converged" if optimal else f"network simplex ended with code {log['result_code']} {heard}".strip(),
        plan=plan,
        precision="float64",
    )


def solve_unbalanced(problem: Problem) -> Solution:
    """P = argmin ⟨P, C⟩ + ε KL(P | abᵀ) + ρ KL(P1 | a) + ρ KL(Pᵀ1 | b), ρ = `reach` × mean control cost (`ot.unbalanced`).

    The iteration is the plain one: the stabilized one of POT 0.9.7 reports convergence for plans of mass 1e-10 and 1e42. Whatever
    POT says, a plan counts only if it is the minimum, where ε ln(P_ij/(a_i b_j)) + C_ij + ρ ln(r_i/a_i) + ρ ln(c_j/b_j) = 0
    for its sums of rows r and columns c.
    """
    import ot

    a, b = _uniform(problem)
    cost = problem.cost.astype(np.float64)
    strength = problem.reach * problem.mean_cost
    (plan, log), heard = _quietly(
        lambda: ot.unbalanced.sinkhorn_unbalanced(
            a,
            b,
            cost,
            problem.epsilon,
            strength,
            method="sinkhorn",
            reg_type="kl",
            numItermax=5000,
            stopThr=problem.tolerance * 1e-2,
            log=True,
        )
    )
    potentials, off = _potentials(np.asarray(plan), cost, epsilon=problem.epsilon, strength=strength)
    converged = off <= 10 * problem.tolerance
    mapped = SoftMap(
        problem.y.astype(np.float32),
        potentials if converged else np.zeros(len(b), dtype=np.float32),
        float(problem.epsilon),
    )
    return Solution(
        map=mapped,
        at_x=mapped(problem.x) if converged else problem.self_at_x,
        converged=converged,
        status="converged" if converged else f"off the minimum by {off:.2g} of its mass {heard}".strip(),
        plan=plan,
        balanced=False,
        n_iterations=len(log.get("err", ())),
        precision="float64",
        violation=off,
    )


def _potentials(
    plan: NDArray[np.float64], cost: NDArray[np.float64], *, epsilon: float, strength: float
) -> tuple[NDArray[np.float32], float]:
    """Ln v = ln b − (ρ/ε) ln(c/b) of the targets, and Σ|P − P̂| / Σ P with P̂ the plan that follows from r and c; ∞ without mass."""
    n, m = plan.shape
    rows, columns = plan.sum(axis=1) * n, plan.sum(axis=0) * m
    if not (np.isfinite(plan).all() and rows.min() > 0 and columns.min() > 0):
        return np.zeros(m, dtype=np.float32), float("inf")
    right = -strength / epsilon * np.log(columns)
    with np.errstate(over="ignore"):
        again = np.exp(-(strength * np.log(rows)[:, None] + cost) / epsilon + right) / (n * m)
        off = float(np.abs(again - plan).sum() / plan.sum())
    return np.asarray(right - right.max(), dtype=np.float32), off


def solve_partial(problem: Problem) -> Solution:
    """P = argmin ⟨P, C⟩ + ε Σ P ln P over plans with P1 ≤ a, Pᵀ1 ≤ b and mass `moved_share` (`ot.partial`).

    A control moves by its barycentre minus where the self-map puts it, one without mass not at all; a new cell moves as the nearest
    control of the plan does.
    """
    import ot

    a, b = _uniform(problem)
    cost = problem.cost.astype(np.float64)
    plan, heard = _quietly(
        lambda: ot.partial.entropic_partial_wasserstein(
            a, b, cost, problem.epsilon, m=problem.moved_share, numItermax=2000, stopThr=problem.tolerance**2
        )
    )
    mass = float(np.asarray(plan).sum())
    converged = bool(np.isfinite(plan).all()) and abs(mass - problem.moved_share) <= 1e-2
    at = _barycentres(np.asarray(plan), problem) if converged else problem.self_at_x
    shifts = at - problem.self_at_x
    return Solution(
        map=NearestMap(problem.x.astype(np.float32), shifts.astype(np.float32)),
        at_x=problem.x + shifts,
        converged=converged,
        status="converged" if converged else f"mass {mass:.3g} instead of {problem.moved_share:.3g} {heard}".strip(),
        plan=np.asarray(plan),
        balanced=False,
        precision="float64",
    )
