"""What the plans of one perturbation say together: p-value, size, change of composition, verdict and cure."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import FrozenMapping
from perturbridge.values import DisplacementReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PlanReport

    from ._pooling import Pooled
    from ._prepared import Stratum

__all__ = ["Composition", "composition", "judge", "p_value"]

_LEVEL = 0.05
_FEW_EFFECTIVE = 10.0


def p_value(
    gaps: NDArray[np.float64],
    expected: NDArray[np.float64],
    sizes: Sequence[int],
    *,
    strata: Sequence[Stratum],
    n_draws: int,
) -> tuple[float, float]:
    """(1 + #{draws whose Σ_k ‖gap_k‖²/expected_k is as large}) / (1 + draws), and the smallest that can be.

    A draw takes from each stratum as many controls as there are perturbed cells, in classes of size. NaN where no stratum has
    enough controls to draw from.

    Parameters
    ----------
    gaps
        Mean of the perturbed minus mean of the controls `(n_strata, n_dims)`.
    expected
        E‖gap‖² without effect; ∞ without cells `(n_strata,)`.
    sizes
        Perturbed cells in each stratum.
    strata
        With their nulls.
    n_draws
        How many.
    """
    used = [k for k, stratum in enumerate(strata) if sizes[k] and stratum.mean_nulls and expected[k] > 0]
    if not used:
        return nan, nan
    observed = sum(float(gaps[k] @ gaps[k]) / float(expected[k]) for k in used)
    drawn = np.zeros(n_draws)
    for k in used:
        drawn += strata[k].mean_null(sizes[k]).draws
    return float((1 + (drawn >= observed).sum()) / (1 + n_draws)), 1.0 / (1 + n_draws)


@dataclass(frozen=True, eq=False, kw_only=True)
class Composition:
    """Figures of `DisplacementReport`, by the same names."""

    composition_change: float
    composition: FrozenMapping[str, float]
    same_state_attainable: float
    effective_cells: float


def composition(sizes: Sequence[int], strata: Sequence[Stratum], states: Sequence[str]) -> Composition:
    """Shares of states among the perturbed cells beside those among the controls.

    Parameters
    ----------
    sizes
        Perturbed cells in each stratum.
    strata, states
        Strata and the state of each.
    """
    names = sorted(set(states))
    owner = np.array([names.index(state) for state in states])
    n, m = np.bincount(owner, [s.n_controls for s in strata]), np.bincount(owner, np.asarray(sizes, dtype=np.float64))
    a, b = n / n.sum(), m / max(m.sum(), 1e-300)
    weights = np.divide(a, b, out=np.zeros_like(a), where=b > 0)
    squares = float((m * weights**2).sum())
    return Composition(
        composition_change=float(0.5 * np.abs(a - b).sum()),
        composition=FrozenMapping({name: float(gap) for name, gap in zip(names, b - a, strict=True)}),
        same_state_attainable=float(np.minimum(a, b).sum()),
        effective_cells=float((m * weights).sum()) ** 2 / squares if squares > 0 else 0.0,
    )


def judge(
    name: str,
    plans: Sequence[PlanReport],
    *,
    pooled: Pooled,
    squared: Sequence[float],
    strata: Sequence[Stratum],
    states: Sequence[str],
    n_left_out: int,
    p: tuple[float, float],
) -> DisplacementReport:
    """Sum up one perturbation.

    Parameters
    ----------
    name
        Which.
    plans, pooled, squared
        What was found in each stratum; mean squared displacement of its controls.
    strata, states
        Strata and the state of each.
    n_left_out
        Cells that were not aligned.
    p
        Its p-value and the smallest attainable.
    """
    sizes = [plan.n_perturbed for plan in plans]
    mixed = composition(sizes, strata, states)
    shares = np.array([s.n_controls for s in strata], dtype=np.float64)
    shares /= shares.sum()
    verdict, cure = _verdict(plans, p[0], mixed.effective_cells)
    weights = np.array([float(plan.n_perturbed) if plan.level == "plan" else 0.0 for plan in plans])
    return DisplacementReport(
        perturbation=name,
        n_cells=sum(sizes),
        n_left_out=n_left_out,
        p=p[0],
        p_attainable=p[1],
        size=float(np.sqrt(shares @ np.asarray(squared))),
        gain=pooled.gain,
        noise=pooled.noise if np.isfinite(pooled.noise) else nan,
        same_context=_mean([plan.same_context for plan in plans], weights),
        same_context_expected=_mean([plan.same_context_expected for plan in plans], weights),
        verdict=verdict,
        cure=cure,
        **vars(mixed),
    )


def _mean(values: Sequence[float], weights: NDArray[np.float64]) -> float:
    known = np.isfinite(values) & (weights > 0)
    return float(np.average(np.asarray(values)[known], weights=weights[known])) if known.any() else nan


def _verdict(plans: Sequence[PlanReport], p: float, effective_cells: float) -> tuple[str, str]:
    failed = [plan for plan in plans if plan.level == "failed"]
    if failed:
        cure = f"{len(failed)} of {len(plans)} plans failed ({failed[0].stratum}: {failed[0].status}); raise epsilon, or use solver='bures'."
        return "not converged", cure
    if not any(plan.level == "plan" for plan in plans):
        reason = next((plan.status for plan in plans if plan.status), "too few perturbed cells in every stratum")
        return "few cells", f"No plan was made ({reason}); its displacement is a mean drawn towards that of all strata."
    if p > _LEVEL:
        return (
            "no effect",
            "It does not move cells by more than draws of controls do; read nothing into its displacement.",
        )
    if effective_cells < _FEW_EFFECTIVE:
        cure = f"Its cells stand for {effective_cells:.1f} once weighted to the states of the controls: most states were hardly seen."
        return "few cells", cure
    if not any(plan.heterogeneity for plan in plans):
        return "mean only", "Differences between cells of a state are within noise; every cell of a state moves alike."
    return "moved", ""
