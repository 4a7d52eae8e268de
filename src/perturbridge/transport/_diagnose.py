"""What a plan does with its mass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MassReport", "mass_report"]


@dataclass(frozen=True, eq=False, kw_only=True)
class MassReport:
    """Figures of `PlanReport`, by the same names, and the share of the mass between contexts `(n_contexts, n_contexts)`."""

    mass: float
    violation: float
    effective_targets: float
    same_context: float
    same_context_expected: float
    same_context_attainable: float
    between: NDArray[np.float64]

    def figures(self) -> dict[str, float]:
        """Return the numbers alone."""
        return {key: value for key, value in vars(self).items() if key != "between"}


def mass_report(
    plan: NDArray[Any], *, contexts: tuple[NDArray[np.int64], NDArray[np.int64]], n_contexts: int
) -> MassReport:
    """Un-normalized mass, violated marginals, effective targets, and the mass that stays inside a context.

    Parameters
    ----------
    plan
        `(n_controls, n_perturbed)`.
    contexts
        Context of each control and of each perturbed cell.
    n_contexts
        Number of contexts.
    """
    rows, columns = plan.sum(axis=1, dtype=np.float64), plan.sum(axis=0, dtype=np.float64)
    n, m = plan.shape
    mass = float(rows.sum())
    violation = float(np.abs(rows - 1.0 / n).sum() + np.abs(columns - 1.0 / m).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(plan, np.finfo(plan.dtype).tiny))
        entropy = np.log(np.maximum(rows, 1e-300)) - np.einsum("ij,ij->i", plan, logs) / np.maximum(rows, 1e-300)
    used = rows > 1e-6 / n
    effective = float(np.exp(entropy[used]).mean()) / m if used.any() else 0.0
    left, right = contexts
    a = np.bincount(left, weights=rows, minlength=n_contexts) / max(mass, 1e-300)
    b = np.bincount(right, weights=columns, minlength=n_contexts) / max(mass, 1e-300)
    moved = np.zeros((n, n_contexts))
    for context in np.unique(right):
        moved[:, context] = plan[:, right == context].sum(axis=1)
    between = np.zeros((n_contexts, n_contexts))
    np.add.at(between, left, moved)
    between /= max(mass, 1e-300)
    return MassReport(
        mass=mass,
        violation=violation,
        effective_targets=effective,
        same_context=float(np.trace(between)),
        same_context_expected=float(a @ b),
        same_context_attainable=float(np.minimum(a, b).sum()),
        between=between,
    )
