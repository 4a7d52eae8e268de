"""Sinkhorn's iteration in the kernel domain in single precision, and what is done when that fails.

P = diag(u) K diag(v),  K = exp(−C/ε),  C_ij = ‖x_i − y_j‖² freed, where it matters, of the least entry of each row and column, so that
no row of K vanishes however far the clouds lie apart (Cuturi 2013). Both marginals are uniform. The order of attempts: float32, float64,
float64 in the log domain; each is judged by the plan itself, never by a solver's word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Coupling", "costs", "sinkhorn", "solve_kernel"]

_CHECK_EVERY = 5
_MAX_ITERATIONS = 1_000
# Of the log domain: steps on the plan between two on logarithms, how often, and how far a logarithm may stray meanwhile.
_STEPS, _ROUNDS, _FAR = 24, 120, 100.0
# exp(−40) and its sums are far above the least float32; beyond it rows and columns are freed of their own least cost.
_SAFE = 40.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Coupling:
    """An entropic plan through its scalings.

    Parameters
    ----------
    log_v
        ln v of every target in the costs as they are, up to a constant: the potential g/ε `(n_targets,)`.
    left, kernel, right
        u, K and v in the costs freed of their minima; P = u K v.
    violation
        Σ_i |Σ_j P_ij − 1/n| + Σ_j |Σ_i P_ij − 1/m|.
    mass
        Σ P.
    n_iterations, precision
        What it took.
    """

    log_v: NDArray[np.float64]
    left: NDArray[Any]
    kernel: NDArray[Any]
    right: NDArray[Any]
    violation: float
    mass: float
    n_iterations: int
    precision: str

    @property
    def finite(self) -> bool:
        """Whether everything in it is a number."""
        return bool(np.isfinite(self.violation) and np.isfinite(self.log_v).all())

    def barycentres(self, y: NDArray[np.floating]) -> NDArray[np.float64]:
        """Σ_j P_ij y_j / Σ_j P_ij `(n_sources, n_dims)`."""
        weighted = self.right[:, None] * y.astype(self.kernel.dtype)
        return np.asarray((self.kernel @ weighted) / (self.kernel @ self.right)[:, None], dtype=np.float64)

    def plan(self) -> NDArray[Any]:
        """P itself `(n_sources, n_targets)`."""
        out = self.kernel * self.right
        out *= self.left[:, None]
        return np.asarray(out)


def costs(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float32]:
    """‖x_i − y_j‖² `(n, m)` in single precision, computed relative to the mean of x since distances cancel far from the origin."""
    centre = np.asarray(x, dtype=np.float64).mean(axis=0)
    a, b = (x - centre).astype(np.float32), (y - centre).astype(np.float32)
    out: NDArray[np.float32] = a @ (b.T * np.float32(-2.0))
    out += np.einsum("ij,ij->i", a, a)[:, None]
    out += np.einsum("ij,ij->i", b, b)[None, :]
    return np.maximum(out, 0.0, out=out)


def sinkhorn(cost: NDArray[np.float32], *, epsilon: float, tolerance: float = 1e-4) -> Coupling:
    """P = argmin ⟨P, C⟩ + ε Σ P ln P over couplings with uniform marginals.

    Parameters
    ----------
    cost
        C, left as it is `(n_sources, n_targets)`.
    epsilon
        ε in the unit of C.
    tolerance
        Largest violation of both marginals together.
    """
    done = solve_kernel(cost, epsilon=epsilon, tolerance=tolerance)
    if done.finite and done.violation <= tolerance:
        return done
    wide = cost.astype(np.float64)
    again = solve_kernel(wide, epsilon=epsilon, tolerance=tolerance, start=done.log_v if done.finite else None)
    if again.finite and again.violation <= tolerance:
        return again
    return _log_domain(wide, epsilon=epsilon, tolerance=tolerance, start=again.log_v if again.finite else None)


def solve_kernel(
    cost: NDArray[Any], *, epsilon: float, tolerance: float, start: NDArray[np.float64] | None = None
) -> Coupling:
    """One attempt in the precision of `cost`, which is left as it is, from the `log_v` of another where there is one."""
    low, high = float(cost.min()), float(cost.max())
    columns = np.full(cost.shape[1], low, dtype=cost.dtype)
    if high - low <= _SAFE * epsilon:
        kernel = cost - columns[0]
    else:
        kernel = cost - cost.min(axis=1, keepdims=True)
        columns = kernel.min(axis=0)
        kernel -= columns
    kernel *= kernel.dtype.type(-1.0 / epsilon)
    np.exp(kernel, out=kernel)
    n, m = kernel.shape
    a, b = kernel.dtype.type(1.0 / n), kernel.dtype.type(1.0 / m)
    u, v = np.full(n, a), np.full(m, b)
    if start is not None:
        log_v = start - columns.astype(np.float64) / epsilon
        v = np.exp(log_v - log_v.max()).astype(kernel.dtype)
    violation, iteration = np.inf, 0
    with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
        ahead = kernel @ v
        for iteration in range(1, _MAX_ITERATIONS + 1):
            u = a / ahead
            v = b / (u @ kernel)
            ahead = kernel @ v
            if iteration % _CHECK_EVERY == 0 or iteration == 1:
                # Columns are met exactly after the second half-step.
                violation = float(np.abs(u * ahead - a).sum(dtype=np.float64))
                if not violation > tolerance:
                    break
        mass = float((u * ahead).sum(dtype=np.float64))
        columns_off = float(np.abs(v * (u @ kernel) - b).sum(dtype=np.float64))
        log_v = np.log(v.astype(np.float64)) + columns.astype(np.float64) / epsilon
    return Coupling(
        log_v=log_v,
        left=u,
        kernel=kernel,
        right=v,
        violation=violation + columns_off,
        mass=mass,
        n_iterations=iteration,
        precision=str(kernel.dtype),
    )


def _log_domain(
    cost: NDArray[np.float64], *, epsilon: float, tolerance: float, start: NDArray[np.float64] | None
) -> Coupling:
    """The same iteration on logarithms, for plans so sharp that scalings overflow.

    Between two steps on logarithms a few are done on the plan that they gave, whose scalings begin at one (Schmitzer 2019).
    """
    from scipy.special import logsumexp

    n, m = cost.shape
    scaled = cost / -epsilon
    g = np.full(m, -np.log(m)) if start is None else start
    f, rounds = np.zeros(n), 0
    while rounds < _ROUNDS:
        rounds += 1
        f = -np.log(n) - logsumexp(scaled + g, axis=1)
        g = -np.log(m) - logsumexp(scaled + f[:, None], axis=0)
        plan = np.exp(f[:, None] + scaled + g)
        violation = float(np.abs(plan.sum(axis=1) - 1.0 / n).sum())
        if not violation > tolerance:
            break
        u, v = _few_steps(plan)
        f, g = f + np.log(u), g + np.log(v)
    # As a kernel whose scalings are all one, so that the plan is read in the same way.
    plan = np.exp(f[:, None] + scaled + g)
    violation = float(np.abs(plan.sum(axis=1) - 1.0 / n).sum())
    ones = np.ones(n), np.ones(m)
    return Coupling(
        log_v=g,
        left=ones[0],
        kernel=plan,
        right=ones[1],
        violation=violation + float(np.abs(plan.sum(axis=0) - 1.0 / m).sum()),
        mass=float(plan.sum()),
        n_iterations=rounds * (_STEPS + 1),
        precision="float64, log",
    )


def _few_steps(plan: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scalings after a few steps from one, or one where they leave what a kernel can bear."""
    n, m = plan.shape
    u, v = np.ones(n), np.ones(m)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for _ in range(_STEPS):
            new = (1.0 / n) / (plan @ v)
            other = (1.0 / m) / (new @ plan)
            far = np.abs(np.log(new)).max(), np.abs(np.log(other)).max()
            if not max(far) < _FAR:
                break
            u, v = new, other
    return u, v
