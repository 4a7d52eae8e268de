"""Figures of audits, drawn from the reports alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._audit_words import leak_of, probes_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from perturbridge.values import AuditReport

__all__ = ["latents_axes", "probes_axes", "report_figures", "side_by_side_figures"]


def probes_axes(reports: Mapping[str, AuditReport], *, ax: Axes | None = None) -> Axes:
    """Draw what every probe reads of the context under every split.

    Parameters
    ----------
    reports
        By name of the latent.
    ax
        Where to draw; a new figure by default.
    """
    # Imported here and below: figures are the dearest import of all, and only pages and `pl` draw any.
    from perturbridge.plotting import plot_forest

    rows = probes_rows(reports)
    several = len(reports) > 1
    names = [
        f"{row['latent']}: {row['probe']}, {row['split']}" if several else f"{row['probe']}, {row['split']}"
        for row in rows
    ]
    return plot_forest(
        names,
        [row["roc_auc"] for row in rows],
        lower=[row["low"] for row in rows],
        upper=[row["high"] for row in rows],
        title="context read, AUC",
        higher_is_better=False,
        ax=ax,
    )


def latents_axes(reports: Mapping[str, AuditReport], *, ax: Axes | None = None) -> Axes:
    """Draw how much of the context is read from each latent.

    Parameters
    ----------
    reports
        By name of the latent.
    ax
        Where to draw; a new figure by default.
    """
    from perturbridge.plotting import plot_forest

    leaks = {name: check for name, report in reports.items() if (check := leak_of(report)) is not None}
    return plot_forest(
        list(leaks),
        [check.effect for check in leaks.values()],
        lower=[check.low for check in leaks.values()],
        upper=[check.high for check in leaks.values()],
        title="context read, AUC of the strongest probe",
        higher_is_better=False,
        ax=ax,
    )


def report_figures(report: AuditReport) -> list[tuple[Axes, str]]:
    """Return the figures of one latent with their captions."""
    if not probes_rows({report.latent: report}):
        return []
    return [(probes_axes({report.latent: report}), "AUC with which each probe reads the context; ½ is chance.")]


def side_by_side_figures(reports: Mapping[str, AuditReport]) -> list[tuple[Axes, str]]:
    """Return the figures of several latents with their captions."""
    return [(latents_axes(reports), "The leak of each latent, with its interval.")]
