"""What `perturbridge audit` prints for people: the verdict first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._show import console, print_findings, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from perturbridge.audit import Repair
    from perturbridge.pipeline import AuditedLatents
    from perturbridge.values import AuditReport

__all__ = ["print_audit"]


def print_audit(
    audited: AuditedLatents, *, repairs: Mapping[str, Repair] | None, probes: bool = False, out: Path | None = None
) -> None:
    """Print the verdict of each latent, its checks, the evidence of the decisive one and the cure.

    Parameters
    ----------
    audited
        What was audited.
    repairs
        What was repaired; None where it was not asked for.
    probes
        Whether to print what every probe read.
    out
        Where it was written.
    """
    from perturbridge.pipeline import latents_table, probes_table

    for report in audited.reports.values():
        _print_verdict(report)
    console().print()
    for line in audited.explanation:
        console().print(f"· {line}")
    print_findings([finding.as_json() for finding in audited.findings])
    if len(audited.reports) > 1:
        table = latents_table(audited.reports)
        print_table("\nSide by side", table.columns, table.rows)
    for report in audited.reports.values():
        _print_checks(report)
    if probes:
        table = probes_table(audited.reports)
        print_table("\nWhat every probe reads", table.columns, table.rows)
    if repairs is not None:
        _print_repairs(audited.reports, repairs, saved=out is not None and not out.suffix)
    if out is not None:
        where = out if out.suffix else f"{out / 'audit.html'}, {out / 'audit.json'}"
        console().print(f"\nWritten to {where}")


def _print_verdict(report: AuditReport) -> None:
    from perturbridge.pipeline import meaning_for_transport, verdict_sentence

    mark = {"pass": "·", "warn": "!"}.get(report.verdict, "!!")
    console().print(f"{mark} {report.verdict.upper()}: {verdict_sentence(report)} {meaning_for_transport(report)}")


def _print_checks(report: AuditReport) -> None:
    from perturbridge.pipeline import checks_table

    table = checks_table(report)
    title = f"\n{report.latent}: {report.n_cells:,} cells x {report.n_dims} dimensions"
    print_table(title, table.columns, table.rows, strong=table.strong)
    check = report.decisive
    console().print(f"\n{check.name}: {check.evidence}")
    if check.cure:
        console().print(f"What to do: {check.cure}")


def _print_repairs(reports: Mapping[str, AuditReport], repairs: Mapping[str, Repair], *, saved: bool) -> None:
    from perturbridge.pipeline import repair_table

    for name, report in reports.items():
        if name not in repairs:
            console().print(f"\n{name}: no repair, since its audit says {report.verdict} by {report.decisive.name}.")
    for name, repair in repairs.items():
        table = repair_table(repair)
        title = f"\nRepair of {name}: leak removed against biology lost"
        print_table(title, table.columns, table.rows, strong=table.strong)
        if repair.chosen is None:
            console().print("No step passes: pair cells within their context, or choose another latent.")
        else:
            keep = "" if saved else " -o FOLDER keeps it as .npy."
            console().print(f"{repair.chosen.step} is the mildest step that passes.{keep}")
