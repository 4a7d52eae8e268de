"""What a run found, in words and text tables: the same for the terminal and the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from perturbridge.evaluation import HEADLINE, METRICS
from perturbridge.report import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from ._cross_validate import CrossValidation

__all__ = [
    "against_baselines",
    "comparison_table",
    "finding_line",
    "finding_lines",
    "headline_table",
    "number",
    "records",
    "targets_sentence",
    "verdict",
]


def number(value: float | None, *, digits: int = 3) -> str:
    """Return a number as text, a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table, by column name."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict(orient="records")]


def headline_table(
    summary: Sequence[Mapping[str, Any]], *, model: str = "", metrics: Sequence[str] = HEADLINE
) -> Table:
    """Lay mean and interval out, a row per model and a column per metric; the model first, then by the last metric."""
    cells = {(row["model"], row["metric"]): row for row in summary}
    last = METRICS[metrics[-1]]

    def rank(name: str) -> tuple[bool, float]:
        value = float(cells[name, last.name]["mean"])
        merit = -math.inf if math.isnan(value) else value * (1 if last.higher_is_better else -1)
        return name != model, -merit

    names = sorted(dict.fromkeys(str(row["model"]) for row in summary), key=rank)
    columns = ("model", *(f"#{metric} {'↑' if METRICS[metric].higher_is_better else '↓'}" for metric in metrics))
    rows = tuple((name, *(_cell(cells[name, metric]) for metric in metrics)) for name in names)
    return Table(columns=columns, rows=rows, strong=names.index(model) if model in names else -1)


def _cell(row: Mapping[str, Any]) -> str:
    if not math.isfinite(row["mean"]):
        return "–"
    undefined = "*" if row["n_undefined"] else ""
    return f"{number(row['mean'])}{undefined} [{number(row['low'])}, {number(row['high'])}]"


def comparison_table(
    comparison: Sequence[Mapping[str, Any]], *, metrics: Sequence[str] = HEADLINE, against: str = ""
) -> Table:
    """Lay the paired differences from the best baseline, or from one model, out, one row per metric; positive: the model is better."""
    rows = tuple(
        (
            str(row["metric"]),
            str(row["best_baseline"]) or "–",
            number(row["model_mean"]),
            number(row["baseline_mean"]),
            f"{number(row['difference'])} [{number(row['low'])}, {number(row['high'])}]",
            _p_value(row["p"], row["p_resolution"]),
            _p_value(row["p_holm"], row["p_resolution"]),
            str(row["n"]),
        )
        for row in comparison
        if row["metric"] in metrics
    )
    opponent = ("compared with", "#that") if against else ("best baseline", "#baseline")
    columns = ("metric", opponent[0], "#model", opponent[1], "#better by", "#p", "#p (Holm)", "#n")
    return Table(columns=columns, rows=rows)


def _p_value(p: float, resolution: float) -> str:
    if not math.isfinite(p):
        return "–"
    return f"≤ {resolution:.1g}" if p <= resolution < 0.05 else f"{p:.2g}"


def verdict(validation: CrossValidation, comparison: Sequence[Mapping[str, Any]]) -> str:
    """Say in one paragraph where the model beats its best baseline, where it does not, and where it is beaten.

    Parameters
    ----------
    validation
        Scores of the model and its baselines.
    comparison
        Records of its `comparison()`, which is dear enough to be made once.
    """
    n = len({str(name) for fold in validation.split.folds for name in fold.test})
    by = validation.split.by
    what = f"perturbations in held-out levels of {by}" if by else "held-out perturbations"
    return against_baselines(comparison, n=n, what=what) + _on_mean(validation) + _on_shuffled(validation)


def against_baselines(comparison: Sequence[Mapping[str, Any]], *, n: int, what: str = "held-out perturbations") -> str:
    """Say on which headline metrics the model of these records is better or worse than the best baseline, of `n` perturbations."""
    groups: dict[str, list[str]] = {"won": [], "lost": [], "open": []}
    for row in comparison:
        if row["metric"] not in HEADLINE or math.isnan(row["difference"]):
            continue
        significant = row["p_holm"] < 0.05
        outcome = "open" if not significant else "won" if row["difference"] > 0 else "lost"
        pair = f"{number(row['model_mean'])} v {number(row['baseline_mean'])}, {row['best_baseline']}"
        groups[outcome].append(f"{row['metric']} ({pair})")
    words = {"won": "better on", "open": "no difference shown on", "lost": "worse on"}
    found = "; ".join(f"{words[key]} {', '.join(names)}" for key, names in groups.items() if names)
    text = f"On {n} {what}, against the best baseline of each metric: {found or 'nothing could be compared'}."
    if not groups["won"]:
        text += " Nothing here shows that this model predicts these effects better than a baseline does."
    return text


def _on_mean(validation: CrossValidation) -> str:
    """Say so where no model at all, baselines included, beats the mean of the training perturbations."""
    frame = validation.against_mean()
    if frame is None:
        return ""
    rows = [row for row in records(frame) if row["metric"] in HEADLINE and not math.isnan(row["difference"])]
    if not rows or any(row["p_holm"] < 0.05 and row["difference"] > 0 for row in rows):
        return ""
    return (
        " No model here, the baselines included, is shown to beat the mean of the training perturbations on any of the four headline "
        "metrics: predict the mean, and expect no more of it."
    )


def _on_shuffled(validation: CrossValidation) -> str:
    """Say whether what the model knows comes from its embeddings, by the same model on shuffled ones."""
    knowledge = validation.knowledge()
    if knowledge is None:
        return ""
    rows = [row for row in records(knowledge) if row["metric"] in HEADLINE and not math.isnan(row["difference"])]
    gained = [row for row in rows if row["p_holm"] < 0.05 and row["difference"] > 0]
    if not gained:
        return " With its embeddings shuffled among the genes the model does as well: what it knows here does not come from them."
    told = ", ".join(f"{row['metric']} by {number(row['difference'])}" for row in gained)
    return f" Its embeddings contribute: shuffled among the genes, they cost it {told}."


def finding_line(finding: Mapping[str, Any]) -> str:
    """Return the message of a finding, with how many it concerns and the first of them where the message leaves that out."""
    message, count, example = str(finding["message"]), int(finding["count"]), str(finding["example"])
    told = f"{count:,}" in message or not count
    named = not example or example in message
    extra = ", ".join(part for part, done in ((f"{count:,}", told), (f"first: {example}", named)) if not done)
    return f"{message.rstrip('.')} ({extra})." if extra else message


def finding_lines(findings: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the warnings and the notes among findings, as lines."""
    warnings = tuple(finding_line(f) for f in findings if f["level"] == "warning")
    return warnings, tuple(finding_line(f) for f in findings if f["level"] != "warning")


def targets_sentence(targets: Sequence[Mapping[str, Any]]) -> str:
    """Say how many perturbations moved their own gene, and which way."""
    changes = [t["log2_fold_change"] for t in targets if t["measured"]]
    if not changes:
        return (
            f"None of the {len(targets)} target genes is among the measured genes, so the hit rate cannot be checked."
        )
    down, up = sum(c <= -0.5 for c in changes), sum(c >= 0.5 for c in changes)
    return (
        f"{len(changes)} of {len(targets)} target genes {'is' if len(changes) == 1 else 'are'} measured; {down} {'falls' if down == 1 else 'fall'} "
        f"and {up} {'rises' if up == 1 else 'rise'} by at least half a doubling "
        f"(log2 fold change; median {number(sorted(changes)[len(changes) // 2], digits=2)})."
    )
