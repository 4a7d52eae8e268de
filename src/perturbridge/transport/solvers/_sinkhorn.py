"""The default: an entropic plan, whose bias the self-map takes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.transport._kernel import sinkhorn
from perturbridge.values import SoftMap

from ._problem import Solution

if TYPE_CHECKING:
    from ._problem import Problem

__all__ = ["solve_sinkhorn"]


def solve_sinkhorn(problem: Problem) -> Solution:
    """T(x) = Σ_j P_xj y_j / Σ_j P_xj; agrees with `ot.sinkhorn` in double precision within 1e-3.

    The displacement T − T₀ is the gradient of the Sinkhorn divergence (Feydy et al. 2019, AISTATS). T(x) − x, the raw map, also holds the
    pull of every cell towards the middle of the targets, which no number of cells averages away.
    """
    done = sinkhorn(problem.cost, epsilon=problem.epsilon, tolerance=problem.tolerance)
    converged = done.finite and done.violation <= 10 * problem.tolerance and abs(done.mass - 1.0) <= 1e-3
    y = problem.y.astype(np.float32)
    potentials = done.log_v - done.log_v.max() if done.finite else np.zeros(len(y))
    return Solution(
        map=SoftMap(y, potentials.astype(np.float32), float(problem.epsilon)),
        at_x=done.barycentres(y) if converged else problem.x,
        converged=converged,
        status="converged"
        if converged
        else f"marginals off by {done.violation:.2g} after {done.n_iterations} iterations",
        plan=done.plan() if converged and problem.diagnosed else None,
        n_iterations=done.n_iterations,
        precision=done.precision,
        violation=done.violation,
    )
