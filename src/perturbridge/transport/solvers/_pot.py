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
    """P = argmin ⟨P, C⟩ + ε KL(P | abᵀ) + ρ KL(P1 | a) + ρ KL(Pᵀ1 | b), ρ = `reach` × mean control cost (`ot.unbalanced`)."""
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
            method="sinkhorn_stabilized",
            reg_type="kl",
            numItermax=2000,
            log=True,
        )
    )
    mass = float(plan.sum())
    converged = bool(np.isfinite(plan).all()) and mass > 1e-3 and not heard
    potentials = _potentials(plan, cost, problem.epsilon) if converged else np.zeros(len(b), dtype=np.float32)
    mapped = SoftMap(problem.y.astype(np.float32), potentials, float(problem.epsilon))
    return Solution(
        map=mapped,
        at_x=mapped(problem.x),
        converged=converged,
        status="converged" if converged else heard or f"mass {mass:.2g}",
        plan=plan,
        balanced=False,
        n_iterations=len(log.get("err", ())),
        precision="float64",
    )


def _potentials(plan: NDArray[np.float64], cost: NDArray[np.float64], epsilon: float) -> NDArray[np.float32]:
    """Ln v_j = ln P_ij + C_ij/ε − ln u_i, read at the largest entry of each column; u from that of the heaviest column.

    POT returns its own potentials with the marginals folded in or not, depending on version; the plan leaves no doubt.
    """
    score = np.log(np.maximum(plan, 1e-300)) + cost / epsilon
    anchor = int(plan.sum(axis=0).argmax())
    rows = plan.argmax(axis=0)
    found = score[rows, np.arange(plan.shape[1])] - score[rows, anchor]
    return np.asarray(found - found.max(), dtype=np.float32)


def solve_partial(problem: Problem) -> Solution:
    """P = argmin ⟨P, C⟩ + ε Σ P ln P over plans with P1 ≤ a, Pᵀ1 ≤ b and mass `moved_share` (`ot.partial`).

    Controls without mass stay where they are; a new cell moves as the nearest control of the plan does.
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
