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
    n, m = plan.shape
    left, right = contexts
    # One product gives what each control sends to each context, and so the sums of its row.
    member = np.zeros((m, n_contexts), dtype=plan.dtype)
    member[np.arange(m), right] = 1.0
    moved = (plan @ member).astype(np.float64)
    rows, columns = moved.sum(axis=1), (np.ones(n, dtype=plan.dtype) @ plan).astype(np.float64)
    mass = float(rows.sum())
    violation = float(np.abs(rows - 1.0 / n).sum() + np.abs(columns - 1.0 / m).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.maximum(plan, np.finfo(plan.dtype).tiny)
        np.log(logs, out=logs)
        entropy = np.log(np.maximum(rows, 1e-300)) - np.einsum("ij,ij->i", plan, logs) / np.maximum(rows, 1e-300)
    used = rows > 1e-6 / n
    effective = float(np.exp(entropy[used]).mean()) / m if used.any() else 0.0
    a = np.bincount(left, weights=rows, minlength=n_contexts) / max(mass, 1e-300)
    b = np.bincount(right, weights=columns, minlength=n_contexts) / max(mass, 1e-300)
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
