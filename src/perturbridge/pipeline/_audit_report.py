"""The page of an audit, and the section of a run's report that tells of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perturbridge.report import Figure, Report, Section, Table

from ._audit_figures import report_figures, side_by_side_figures
from ._audit_words import (
    checks_table,
    latents_table,
    meaning_for_transport,
    probes_table,
    repair_table,
    verdict_sentence,
)
from ._manifest import environment
from ._summary import finding_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from perturbridge.audit import Repair
    from perturbridge.values import AuditReport

    from ._audit import AuditedLatents

__all__ = ["audit_report", "audit_section"]


def audit_report(audited: AuditedLatents, *, repairs: Mapping[str, Repair], command: str = "") -> Report:
    """Gather an audit into a page.

    Parameters
    ----------
    audited
        What `audit_data` returned.
    repairs
        What `repair_audited` returned.
    command
        The command line, for the footer.
    """
    reports = audited.reports
    told = environment()
    return Report(
        title=f"Can this latent be trusted? {audited.source}",
        answer=" ".join(f"{verdict_sentence(report)} {meaning_for_transport(report)}" for report in reports.values()),
        sections=(
            *((_side_by_side(reports),) if len(reports) > 1 else ()),
            *(_one(report, alone=len(reports) == 1) for report in reports.values()),
            *(_repair(name, repair) for name, repair in repairs.items()),
            _probes(reports),
            _inputs(audited),
        ),
        footer=(
            f"perturbridge {told['perturbridge']}, Python {told['python']}; "
            + "; ".join(f"{name}: {report.fingerprint[:12]}" for name, report in reports.items())
            + f". Seed {audited.settings.seed}. Command: {command or 'from Python'}"
        ),
    )


def audit_section(reports: Mapping[str, AuditReport]) -> Section:
    """Return one section for a run's report: verdicts, checks, and what they mean for transport."""
    return Section(
        title="Can the latent be trusted?",
        sentences=tuple(f"{verdict_sentence(report)} {meaning_for_transport(report)}" for report in reports.values()),
        warnings=tuple(f"{report.latent}: {_evidence(report)}" for report in reports.values() if _is_bad(report)),
        tables=tuple(_named(checks_table(report), report.latent) for report in reports.values()),
        figures=tuple(figure for report in reports.values() for figure in _figures(report_figures(report)[:1])),
    )


def _figures(drawn: Sequence[tuple[Axes, str]]) -> tuple[Figure, ...]:
    from perturbridge.plotting import figure_svg

    return tuple(Figure(svg=figure_svg(ax), caption=caption) for ax, caption in drawn)


def _is_bad(report: AuditReport) -> bool:
    return report.verdict != "pass" or bool(report.override)


def _evidence(report: AuditReport) -> str:
    check = report.decisive
    cure = f" What to do: {check.cure}" if check.cure else ""
    return f"{check.name}: {check.evidence}{cure}"


def _named(table: Table, name: str) -> Table:
    return Table(columns=(f"{name}: {table.columns[0]}", *table.columns[1:]), rows=table.rows, strong=table.strong)


def _side_by_side(reports: Mapping[str, AuditReport]) -> Section:
    return Section(
        title="Side by side",
        sentences=(
            "AUC of the strongest probe among cells of the same condition and state, ½ being chance, by the same folds and shuffles; "
            "biology is what the same probes read of condition and state.",
        ),
        tables=(latents_table(reports),),
        figures=_figures(side_by_side_figures(reports)),
    )


def _one(report: AuditReport, *, alone: bool) -> Section:
    said = () if alone else (f"{verdict_sentence(report)} {meaning_for_transport(report)}",)
    warned = _is_bad(report)
    found = Table(
        columns=("check", "question", "what was found"),
        rows=tuple((check.name, check.question, check.evidence) for check in report.checks),
    )
    return Section(
        title=f"{report.latent}: {report.verdict}",
        sentences=said if warned else (*said, _evidence(report)),
        warnings=(_evidence(report),) if warned else (),
        tables=(checks_table(report), found),
        figures=_figures(report_figures(report)),
    )


def _repair(name: str, repair: Repair) -> Section:
    chosen = repair.chosen
    told = (
        f"{chosen.step} is the mildest step that passes."
        if chosen is not None
        else "No step passes: pair cells within their context, or choose another latent."
    )
    return Section(
        title=f"Repair of {name}",
        sentences=(
            "Each step starts from the latent as it is, is fitted on half of the cells and audited on the other half, the mildest first. "
            f"{told}",
        ),
        tables=(repair_table(repair),),
    )


def _probes(reports: Mapping[str, AuditReport]) -> Section:
    return Section(
        title="What every probe reads",
        sentences=(
            "On cells it was not fitted on. (largest): always naming the largest context; (chance): naming one at random. ROC-AUC is the "
            "mean over contexts of each against the rest. Bits of usable information are a lower bound.",
        ),
        tables=(probes_table(reports),),
    )


def _inputs(audited: AuditedLatents) -> Section:
    warnings, notes = finding_lines([finding.as_json() for finding in audited.findings])
    rows = tuple((key.replace("_", " "), str(value)) for key, value in audited.settings.as_json().items())
    return Section(
        title="What was read, and what is tolerated",
        warnings=warnings,
        sentences=(*audited.explanation, *notes),
        tables=(Table(columns=("setting", "#value"), rows=rows),),
    )
