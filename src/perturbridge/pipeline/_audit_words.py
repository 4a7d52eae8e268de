"""What an audit found, in words and text tables: the same for the terminal and the page."""

from __future__ import annotations

from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from perturbridge.report import Table

from ._summary import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perturbridge.audit import Repair
    from perturbridge.values import AuditReport, Check

__all__ = [
    "SPLITS",
    "checks_table",
    "latents_table",
    "leak_of",
    "meaning_for_transport",
    "probes_rows",
    "probes_table",
    "repair_table",
    "verdict_sentence",
]

SPLITS = MappingProxyType(
    {
        "readout_random": "random",
        "readout_within": "random, within strata",
        "readout_controls": "random, controls alone",
        "readout_held_out": "held-out samples",
    }
)
"""Checks that read the context with every probe, and the split each of them makes."""

_COLUMNS = MappingProxyType(
    {
        "probe": "probe",
        "accuracy": "accuracy",
        "largest_context": "prior_accuracy",
        "balanced_accuracy": "balanced_accuracy",
        "chance": "chance",
        "roc_auc": "auc",
        "low": "low",
        "high": "high",
        "f1": "f1",
        "bits": "bits",
    }
)
_SAYS = MappingProxyType(
    {
        "pass": "passes: its context cannot be read beyond what is tolerated",
        "warn": "passes with a warning",
        "fail": "fails",
        "underpowered": "cannot be answered for: too few cells or samples to tell a leak from none",
        "not_identifiable": "cannot be answered for: these labels leave it open",
    }
)
_ALLOWS = MappingProxyType(
    {
        "any pairs": "Transport may pair cells of any contexts.",
        "within context": "This is no pass. Until it is settled, transport may pair cells of one context only.",
        "nothing": "Do not transport in this latent: what is moved can be the context and not biology.",
    }
)


def verdict_sentence(report: AuditReport) -> str:
    """Say the verdict of one latent, and the check that gave it."""
    if report.override:
        return f"{report.latent} is used against its audit ({report.verdict}), because: {report.override}"
    check = report.decisive
    figure = f" ({_figure(check)})" if check.figure else ""
    by = "" if report.verdict == "pass" else f", by {check.name}"
    return f"{report.latent} {_SAYS.get(report.verdict, report.verdict)}{by}{figure}."


def meaning_for_transport(report: AuditReport) -> str:
    """Say which cells transport may pair."""
    if report.verdict == "fail" and not report.override and report.decisive.name == "kept":
        return "Do not transport in this latent: the biology is not in it."
    return _ALLOWS[report.allows]


def _p_text(p: float) -> str:
    return "–" if isnan(p) else f"{p:.3g}"


def _figure(check: Check) -> str:
    text = check.figure or "–"
    return text.replace(", tolerated ", ", wanted ") if check.name == "kept" else text


def checks_table(report: AuditReport) -> Table:
    """One row per check; those that do not count for the verdict are in brackets."""
    rows = tuple(
        (
            check.name,
            check.verdict if check.gates or check.verdict == "info" else f"({check.verdict})",
            _figure(check),
            _p_text(check.p),
        )
        for check in report.checks
    )
    names = [check.name for check in report.checks]
    strong = names.index(report.decisive.name) if report.verdict != "pass" else -1
    return Table(columns=("check", "verdict", "effect", "#p"), rows=rows, strong=strong)


def leak_of(report: AuditReport) -> Check | None:
    """Return the check that says how much of the context is read: within strata where that was possible."""
    names = {check.name: check for check in report.checks}
    return names.get("readout_within", names.get("readout_random"))


def _interval(check: Check | None) -> str:
    if check is None or isnan(check.effect):
        return "–"
    bounds = "" if isnan(check.low) else f" [{check.low:.3f}, {check.high:.3f}]"
    return f"{check.effect:.3f}{bounds}"


def latents_table(reports: Mapping[str, AuditReport]) -> Table:
    """One row per latent: verdict, leak, what is kept, what transport may do."""
    rows = []
    for name, report in reports.items():
        kept = next((check for check in report.checks if check.name == "kept"), None)
        told = f"{_interval(kept)} ({kept.effect_name})" if kept is not None and kept.effect_name else "–"
        rows.append((name, report.verdict, _interval(leak_of(report)), told, report.allows))
    columns = ("latent", "verdict", "#context read, AUC", "#biology", "transport may pair")
    return Table(columns=columns, rows=tuple(rows))


def probes_rows(reports: Mapping[str, AuditReport]) -> list[dict[str, Any]]:
    """What each probe read under each split: one record per latent, split and probe."""
    return [
        {"latent": name, "split": SPLITS[check.name]} | {column: probe[key] for column, key in _COLUMNS.items()}
        for name, report in reports.items()
        for check in report.checks
        if check.name in SPLITS
        for probe in check.figures.get("probes", ())
    ]


def probes_table(reports: Mapping[str, AuditReport]) -> Table:
    """Accuracy, ROC-AUC and F1 of every probe under every split."""
    columns = (
        "latent",
        "split",
        "probe",
        "#accuracy",
        "#(largest)",
        "#balanced",
        "#(chance)",
        "#ROC-AUC",
        "#F1",
        "#bits",
    )
    rows = tuple(
        (
            row["latent"],
            row["split"],
            row["probe"],
            number(row["accuracy"]),
            number(row["largest_context"]),
            number(row["balanced_accuracy"]),
            number(row["chance"]),
            f"{number(row['roc_auc'])} [{number(row['low'])}, {number(row['high'])}]",
            number(row["f1"]),
            number(row["bits"], digits=2),
        )
        for row in probes_rows(reports)
    )
    return Table(columns=columns, rows=rows)


def repair_table(repair: Repair) -> Table:
    """Leak removed against biology lost, one row per rung of the ladder; the one that passed is set off."""
    rows = []
    for rung in repair.rungs:
        report, kept = rung.report, rung.report["kept"]
        by = "" if report.verdict == "pass" else f" ({report.decisive.name})"
        told = f"{_interval(kept)} ({kept.effect_name})" if kept.effect_name else "–"
        rows.append((rung.step, report.verdict + by, _interval(leak_of(report)), told))
    columns = ("repair", "verdict", "#context read, AUC", "#biology")
    return Table(columns=columns, rows=tuple(rows), strong=-1 if repair.chosen is None else len(rows) - 1)
