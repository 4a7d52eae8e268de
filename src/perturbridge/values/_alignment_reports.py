"""What an alignment reports: one record per plan, one per perturbation."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Literal

from perturbridge._checks import FrozenMapping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DisplacementReport", "PlanReport"]


def _plain(record: object) -> dict[str, Any]:
    """Fields as plain JSON types, NaN as null."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}  # type: ignore[arg-type]
    return {key: None if isinstance(v, float) and isnan(v) else v for key, v in values.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class PlanReport:
    """How the plan of one perturbation in one stratum went.

    Parameters
    ----------
    perturbation, stratum
        Which plan.
    level
        `"plan"`: a plan of its own. `"mean"`: too few cells for one, so its mean alone. `"pooled"`: no cells, moved as the other strata are.
        `"failed"`: a solver that did not converge; its mean alone.
    n_controls, n_perturbed
        Cells in it.
    status
        `"converged"`, or what went wrong; empty where there is no plan.
    precision
        `"float32"`, `"float64"`, or `"float64, log"`: what it took.
    n_iterations
        Of the solver.
    violation
        Σ|row − a| + Σ|column − b| over the two marginals, from 0.
    mass
        Sum of the plan before any normalization; 1 where balanced.
    epsilon
        Entropic strength, squared units of the latent.
    effective_targets
        exp(entropy) of a row over the number of targets, mean over rows, in (0, 1].
    same_context, same_context_expected, same_context_attainable
        Mass that stays inside its context, what an independent plan has, and the most any plan with these marginals can have.
    mean_error
        ‖mean displacement of the plan − (mean of the perturbed − mean of the controls)‖ over the latter, from 0.
    own_share
        Share of the stratum's own mean in its displacement, the rest being the mean of all strata, in [0, 1].
    heterogeneity
        Share of the variance of the displacement within the stratum that is kept, in [0, 1].
    split_half
        Correlation of the displacements, freed of their mean, of two halves of the perturbed cells; NaN where not tried, as where
        nothing beats the null.
    """

    perturbation: str
    stratum: str
    level: Literal["plan", "mean", "pooled", "failed"]
    n_controls: int
    n_perturbed: int
    status: str = ""
    precision: str = ""
    n_iterations: int = 0
    violation: float = nan
    mass: float = nan
    epsilon: float = nan
    effective_targets: float = nan
    same_context: float = nan
    same_context_expected: float = nan
    same_context_attainable: float = nan
    mean_error: float = nan
    own_share: float = 0.0
    heterogeneity: float = 0.0
    split_half: float = nan

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, NaN as null."""
        return _plain(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class DisplacementReport:
    """What the alignment says about one perturbation as a whole.

    Parameters
    ----------
    perturbation
        Which.
    n_cells, n_left_out
        Cells that were aligned, and cells whose context has too few controls to be centred.
    p
        Of the mean displacement against draws of controls, exact up to their number; small where cells moved.
    p_attainable
        The smallest p those draws could have given.
    size
        Root mean square displacement of the controls, units of the latent.
    gain
        Factor on the mean displacement, 1 − what controls against controls give, in [0, 1].
    noise
        Squared standard error of the mean displacement, summed over dimensions.
    composition_change
        Total variation distance between the states of its cells and those of the controls, in [0, 1]; an output of its own.
    composition
        Share of each state among its cells minus that among the controls, by state.
    same_state_attainable
        Most mass a plan over all states could keep inside a state, Σ min; plans here never cross states.
    effective_cells
        (Σ w)² / Σ w² of its cells, weighted to the composition of the controls.
    same_context, same_context_expected
        Means over its plans, weighted by cells.
    verdict
        `"moved"`, `"no effect"` (p > .05), `"mean only"` (one displacement per stratum), `"few cells"`, `"not converged"`.
    cure
        What to do, empty where there is nothing to do.
    """

    perturbation: str
    n_cells: int
    n_left_out: int = 0
    p: float = nan
    p_attainable: float = nan
    size: float = 0.0
    gain: float = 0.0
    noise: float = nan
    composition_change: float = nan
    composition: Mapping[str, float] = field(default_factory=lambda: FrozenMapping({}))
    same_state_attainable: float = nan
    effective_cells: float = nan
    same_context: float = nan
    same_context_expected: float = nan
    verdict: str = ""
    cure: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, NaN as null."""
        return _plain(self) | {"composition": dict(self.composition)}
