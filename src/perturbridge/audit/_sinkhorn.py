"""A small entropic plan between controls and perturbed cells, to see which contexts it pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Plan", "entropic_plan"]

_MAX_ITERATIONS = 1_000
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """A coupling with uniform marginals.

    Parameters
    ----------
    mass
        `(n_source, n_target)`, sums to 1.
    violation
        Σ_i |row sum − 1/n_source|, at most 2.
    n_iterations
        Iterations made.
    """

    mass: NDArray[np.float64]
    violation: float
    n_iterations: int

    @property
    def converged(self) -> bool:
        """Whether both marginals are met within 1e-4."""
        return self.violation <= _TOLERANCE


def entropic_plan(
    source: NDArray[np.float64], target: NDArray[np.float64], *, epsilon: float = 0.2
) -> tuple[Plan, float]:
    """P = argmin ⟨P, C⟩ + ε Σ P log P over couplings with uniform marginals, C_ij = ‖x_i − y_j‖², ε = `epsilon` × mean source cost.

    Sinkhorn's iterations in double precision on a kernel whose rows and columns each hold a 1, so that none of them vanishes
    (Cuturi 2013).

    Parameters
    ----------
    source, target
        `(n_source, n_dims)`, `(n_target, n_dims)`.
    epsilon
        Strength in units of the mean cost between two source cells.

    Returns
    -------
    tuple
        The plan, and ε in units of cost.
    """
    centre = source.mean(axis=0)
    x, y = source - centre, target - centre
    cost = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)[None, :] - 2.0 * (x @ y.T)
    # The mean of ‖x − x'‖² over pairs of different cells is twice the summed variance.
    strength = epsilon * 2.0 * float(np.einsum("ij,ij->", x, x)) / max(len(x) - 1, 1)
    cost -= cost.min(axis=1, keepdims=True)
    cost -= cost.min(axis=0, keepdims=True)
    kernel = np.exp(-cost / strength) if strength > 0 else np.ones_like(cost)
    n, m = kernel.shape
    u, v = np.full(n, 1.0 / n), np.full(m, 1.0 / m)
    violation, iteration = 2.0, 0
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for iteration in range(1, _MAX_ITERATIONS + 1):
            u = 1.0 / (n * (kernel @ v))
            v = 1.0 / (m * (u @ kernel))
            if iteration % 5 == 0:
                # Columns are met exactly after the second half-step.
                violation = float(np.abs(u * (kernel @ v) - 1.0 / n).sum())
                if not violation > _TOLERANCE:
                    break
        mass = u[:, None] * kernel * v[None, :]
    broken = not np.isfinite(mass).all()
    return Plan(mass=mass, violation=2.0 if broken else violation, n_iterations=iteration), strength
