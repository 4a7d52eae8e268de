"""Where an entropic plan moves controls that are paired with controls: the bias that is taken out of every displacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import SoftMap

from ._kernel import costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SelfPlan", "self_plan"]

_MAX_ITERATIONS = 500
# Below this a sum in single precision has lost its small terms.
_TRACE = 1e-25


@dataclass(frozen=True, eq=False, kw_only=True)
class SelfPlan:
    """The symmetric plan of controls with controls, none with itself or with one that lies where it lies.

    Parameters
    ----------
    map
        T₀ for any cell.
    at_controls
        T₀ of the controls `(n_controls, n_dims)`.
    converged
        Whether the marginals are met.
    """

    map: SoftMap
    at_controls: NDArray[np.float64]
    converged: bool


def self_plan(x: NDArray[np.float64], *, epsilon: float, tolerance: float) -> SelfPlan:
    """T₀(x) = Σ_j softmax_j(f_j − ‖x − x_j‖²/ε) x_j over x_j ≠ x, with P = diag(u) K diag(u) and uniform marginals.

    A cell is never paired with itself or its like: a new cell, which stands in no plan, is not either, and a plan from controls to
    perturbed cells has no such pairs. u ← √(u a / K u) keeps the plan symmetric and converges at the rate of Sinkhorn; in single
    precision, or on logarithms in double precision where a control lies so far from all others that its row of K vanishes.

    Parameters
    ----------
    x
        Controls of a stratum `(n_controls, n_dims)`, two at least.
    epsilon
        ε in squared units of the latent.
    tolerance
        Largest Σ |row sum − 1/n|.
    """
    cost = costs(x, x)
    _part_from_its_like(cost, x)
    kernel = np.exp(cost * np.float32(-1.0 / epsilon))
    potentials, converged = _scalings(kernel, tolerance=tolerance)
    if not converged:
        potentials, converged = _logarithms(cost.astype(np.float64) / -epsilon, tolerance=tolerance)
    mapped = SoftMap(x.astype(np.float32), potentials.astype(np.float32), float(epsilon), leaves_self=True)
    u = np.exp(potentials - potentials.max()).astype(np.float32)
    mass = kernel @ u
    if mass.min() > _TRACE:
        at = np.asarray((kernel @ (u[:, None] * x.astype(np.float32))) / mass[:, None], dtype=np.float64)
    else:
        at = mapped(x)
    return SelfPlan(map=mapped, at_controls=at, converged=converged)


def _part_from_its_like(cost: NDArray[np.float32], x: NDArray[np.float64]) -> None:
    """Put ∞ between a cell and every cell that lies where it lies."""
    np.fill_diagonal(cost, np.inf)
    _, place, counts = np.unique(x.astype(np.float32), axis=0, return_inverse=True, return_counts=True)
    for spot in np.flatnonzero(counts > 1):
        alike = np.flatnonzero(place == spot)
        cost[np.ix_(alike, alike)] = np.inf


def _scalings(kernel: NDArray[np.float32], *, tolerance: float) -> tuple[NDArray[np.float64], bool]:
    """Ln u, and whether it solves."""
    n = len(kernel)
    u, target = np.ones(n, dtype=np.float32), np.float32(1.0 / n)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
        for _ in range(_MAX_ITERATIONS):
            rows = u * (kernel @ u)
            off = float(np.abs(rows - target).sum(dtype=np.float64))
            if not off > tolerance:
                log_u = np.log(u.astype(np.float64))
                return (log_u, True) if np.isfinite(off) and np.isfinite(log_u).all() else (np.zeros(n), False)
            u = u * np.sqrt(target / rows)
    return np.zeros(n), False


def _logarithms(scaled: NDArray[np.float64], *, tolerance: float) -> tuple[NDArray[np.float64], bool]:
    """The same for −C/ε, on logarithms."""
    from scipy.special import logsumexp

    n = len(scaled)
    log_u, target = np.zeros(n), -np.log(n)
    for _ in range(_MAX_ITERATIONS):
        rows = log_u + logsumexp(scaled + log_u, axis=1)
        if not np.isfinite(rows).all():
            break
        if float(np.abs(np.exp(rows) - 1.0 / n).sum()) <= tolerance:
            return log_u, True
        log_u = log_u + 0.5 * (target - rows)
    return np.zeros(n), False
