"""Which figures the page of an audit holds."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

from ._audit_words import SPLITS, leak_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from perturbridge.values import AuditReport, Check

__all__ = ["report_figures", "side_by_side_figures"]


def report_figures(report: AuditReport) -> list[tuple[Axes, str]]:
    """Return the figures of one latent with their captions: what probes read, which contexts they confuse, where controls lie.

    Parameters
    ----------
    report
        One audit; a figure whose data it does not hold is left out.
    """
    # Imported here: figures are the dearest import of all, and only pages draw any.
    from perturbridge.plotting import plot_confusion, plot_control_displacement, plot_probe_forest

    drawn: list[tuple[Axes, str]] = []
    if any(check.figures.get("probes") for check in report.checks if check.name in SPLITS):
        caption = "Each probe under each split, on cells it was not fitted on, with its interval; ½ is chance."
        drawn.append((plot_probe_forest(report), caption))
    confused = next((check for check in (leak_of(report), *report.checks) if _has_confusion(check)), None)
    if confused is not None:
        caption = "Of the cells of each context (rows), the share in % that the strongest probe names as each context."
        drawn.append((plot_confusion(_named(confused, report)), caption))
    shifts = [check for check in report.checks if check.figures.get("control_shift")]
    if shifts:
        caption = "Means of each context's controls; the circle is how far a typical perturbation moves cells."
        drawn.append((plot_control_displacement(shifts[0]), caption))
    return drawn


def _named(check: Check, report: AuditReport) -> Check:
    """Give a readout the names of its contexts, which the readout over all cells lists: equally many are the same ones."""
    names = next(
        (c.figures["contexts"] for c in report.checks if c.name == "readout_random" and "contexts" in c.figures), ()
    )
    confusion = next(
        probe["confusion"] for probe in check.figures["probes"] if probe["probe"] == check.figures["strongest"]
    )
    if "contexts" in check.figures or len(names) != len(confusion):
        return check
    return replace(check, figures={**check.figures, "contexts": names})


def _has_confusion(check: Check | None) -> bool:
    if check is None:
        return False
    strongest = check.figures.get("strongest")
    return any(probe["probe"] == strongest and probe.get("confusion") for probe in check.figures.get("probes", ()))


def side_by_side_figures(reports: Mapping[str, AuditReport]) -> list[tuple[Axes, str]]:
    """Return the figure of several latents with its caption: leak beside biology, where one of them has both.

    Parameters
    ----------
    reports
        By name of the latent.
    """
    from perturbridge.plotting import plot_leak_biology

    kept = [check.effect for report in reports.values() for check in report.checks if check.name == "kept"]
    if not any(map(isfinite, kept)) or not any(leak_of(report) for report in reports.values()):
        return []
    caption = "Each latent by how much context is read from it and how much biology; broken lines are what is tolerated and wanted."
    return [(plot_leak_biology(list(reports.values())), caption)]
