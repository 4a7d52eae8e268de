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


@dataclass(frozen=True, eq=False, kw_only=True)
class SelfPlan:
    """The symmetric plan of controls with controls, none with itself.

    Parameters
    ----------
    map
        T₀ for any cell.
    at_controls
        T₀ of the controls `(n_controls, n_dims)`.
    kernel
        exp(−C/ε) with zeros on its diagonal `(n_controls, n_controls)`.
    converged
        Whether the marginals are met.
    """

    map: SoftMap
    at_controls: NDArray[np.float64]
    kernel: NDArray[np.float32]
    converged: bool


def self_plan(x: NDArray[np.float64], *, epsilon: float, tolerance: float) -> SelfPlan:
    """T₀(x) = Σ_j softmax_j(f_j − ‖x − x_j‖²/ε) x_j over x_j ≠ x, with P = diag(u) K diag(u) and uniform marginals.

    A cell is never paired with itself: a new cell, which stands in no plan, is not either, and a plan from controls to
    perturbed cells has no such pairs. u ← √(u a / K u) keeps the plan symmetric and converges at the rate of Sinkhorn.

    Parameters
    ----------
    x
        Controls of a stratum `(n_controls, n_dims)`, two at least.
    epsilon
        ε in squared units of the latent.
    tolerance
        Largest Σ |row sum − 1/n|.
    """
    kernel = costs(x, x)
    kernel *= np.float32(-1.0 / epsilon)
    np.exp(kernel, out=kernel)
    np.fill_diagonal(kernel, 0.0)
    n = len(x)
    # A cell so far from all others that its row underflows would stop the iteration; a trace of mass to everyone keeps it going.
    kernel += np.float32(1e-30)
    u, converged = np.full(n, 1.0, dtype=np.float32), False
    target = np.float32(1.0 / n)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
        for _ in range(_MAX_ITERATIONS):
            rows = u * (kernel @ u)
            if float(np.abs(rows - target).sum(dtype=np.float64)) <= tolerance:
                converged = True
                break
            u = u * np.sqrt(target / rows)
    usable = converged and bool(np.isfinite(u).all())
    potentials = np.log(u.astype(np.float64)) if usable else np.zeros(n)
    weighted = (np.exp(potentials)[:, None] * x).astype(np.float32)
    mass = kernel @ np.exp(potentials).astype(np.float32)
    at = np.asarray((kernel @ weighted) / mass[:, None], dtype=np.float64)
    return SelfPlan(
        map=SoftMap(x.astype(np.float32), potentials.astype(np.float32), float(epsilon), leaves_self=True),
        at_controls=at,
        kernel=kernel,
        converged=usable,
    )
