"""What an alignment found, as tables and sentences for the terminal and for pages."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING

from perturbridge.report import Table

from ._summary import number

if TYPE_CHECKING:
    from perturbridge.values import Alignment

__all__ = ["alignment_sentences", "alignment_table", "gate_sentence", "plans_table"]

_SAYS = MappingProxyType(
    {
        "moved": "move cells, and not every cell alike",
        "mean only": "move the cells of a state alike",
        "no effect": "cannot be told from draws of controls",
        "few cells": "have too few cells for a plan",
        "not converged": "have a plan that did not converge",
    }
)


def gate_sentence(alignment: Alignment) -> str:
    """Say what opened the gate."""
    gate = alignment.audit
    if gate.get("override"):
        return f"The gate was opened by hand against the audit ({gate['verdict']}), because: {gate['override']}"
    pairs = " Cells were paired inside their context only." if alignment.settings.get("within_context") else ""
    return f"The audit of this latent says {gate.get('verdict', 'nothing')}; the gate is open.{pairs}"


def alignment_sentences(alignment: Alignment) -> tuple[str, ...]:
    """Say how many perturbations move cells, within what, and what plans did with contexts."""
    counts = Counter(report.verdict for report in alignment.reports)
    told = "; ".join(f"{counts[verdict]} {_SAYS[verdict]}" for verdict in _SAYS if counts[verdict])
    kinds = {"state": "states", "clusters": "clusters of the controls", "none": "no strata"}
    planned = [plan for plan in alignment.plans if plan.level == "plan"]
    same = sum(plan.n_perturbed * plan.same_context for plan in planned if plan.same_context == plan.same_context)
    expected = sum(
        plan.n_perturbed * plan.same_context_expected for plan in planned if plan.same_context == plan.same_context
    )
    lift = (
        f" Plans keep {same / expected:.2f} times the mass of independent pairs inside a context (1: contexts do not steer them)."
        if expected > 0
        else ""
    )
    return (
        gate_sentence(alignment),
        f"Of {len(alignment.reports)} perturbations {told}.",
        f"{len(planned)} plans in {len(alignment.strata)} strata ({kinds[alignment.strata_by]}), centred on the controls of "
        f"{len(alignment.contexts)} contexts, solver {alignment.settings.get('solver')}.{lift}",
    )


def alignment_table(alignment: Alignment, *, most: int | None = None) -> Table:
    """One row per perturbation, the one that moves cells furthest first."""
    reports = sorted(alignment.reports, key=lambda report: -report.size)
    rows = tuple(
        (
            report.perturbation,
            f"{report.n_cells:,}",
            number(report.size, digits=2),
            number(report.gain, digits=2),
            number(report.p, digits=3),
            number(report.composition_change, digits=2),
            number(report.effective_cells, digits=0),
            report.verdict,
        )
        for report in (reports if most is None else reports[:most])
    )
    columns = (
        "perturbation",
        "#cells",
        "#moved by",
        "#kept",
        "#p",
        "#composition change",
        "#effective cells",
        "verdict",
    )
    return Table(columns=columns, rows=rows, searchable=True)


def plans_table(alignment: Alignment, *, most: int | None = None) -> Table:
    """One row per plan, those that failed first."""
    order = {"failed": 0, "plan": 1, "mean": 2, "pooled": 3}
    plans = sorted(alignment.plans, key=lambda plan: order[plan.level])
    rows = tuple(
        (
            plan.perturbation,
            plan.stratum,
            plan.level,
            plan.status or "",
            plan.precision,
            str(plan.n_iterations or ""),
            number(plan.violation, digits=5),
            number(plan.mass, digits=4),
            number(plan.effective_targets, digits=2),
            number(plan.heterogeneity, digits=2),
            number(plan.split_half, digits=2),
        )
        for plan in (plans if most is None else plans[:most])
    )
    columns = (
        "perturbation",
        "stratum",
        "level",
        "status",
        "precision",
        "#iterations",
        "#violation",
        "#mass",
        "#effective targets",
        "#heterogeneity",
        "#halves agree",
    )
    return Table(columns=columns, rows=rows, searchable=True)
