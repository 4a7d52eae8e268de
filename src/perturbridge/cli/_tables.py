"""What each command prints for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._show import console, print_findings, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from perturbridge.pipeline import Evaluation, Run, RunComparison
    from perturbridge.values import Prediction

__all__ = [
    "prediction_record",
    "print_comparison",
    "print_coverage",
    "print_effects",
    "print_evaluation",
    "print_prediction",
    "print_record",
    "print_run",
    "print_source",
]


def print_run(run: Run) -> None:
    """Print how the screen was read, what was noticed, the table, the answer, and where the report lies."""
    from perturbridge.pipeline import cell_sentences, comparison_table, headline_table

    out, manifest, validation = console(), run.manifest, run.cross_validation
    for line in manifest["screen"]["explanation"]:
        out.print(f"· {line}")
    print_findings(manifest["findings"])
    for source in manifest["embeddings"]:
        print_source(source)
    table = headline_table(manifest["scores"], model=validation.model)
    print_table("\nHeld-out perturbations, mean [95 % interval]", table.columns, table.rows, strong=table.strong)
    paired = comparison_table(manifest["comparison"])
    print_table("\nAgainst the best baseline, perturbation by perturbation", paired.columns, paired.rows)
    out.print(f"\n{manifest['answer']}")
    if run.cells is not None:
        out.print("\nCells")
        for sentence in cell_sentences(run.cells, run.levels):
            out.print(f"· {sentence}")
    out.print(f"\nReport: {run.folder / 'report.html'}\nManifest: {run.folder / 'manifest.json'}")


def print_source(source: Mapping[str, Any], *, n_listed: int = 12) -> None:
    """Print how many of the genes asked for an embedding knows, which not and why, and which under another name."""
    out = console()
    mark = "!" if source["missing"] else "·"
    out.print(f"{mark} {source['name']}: {source['n_covered']} of {source['n_asked']} genes have a vector.")
    missing = [f"{gene} ({how})" for gene, how in source["missing"].items()]
    if missing:
        rest = f" and {len(missing) - n_listed} more" if len(missing) > n_listed else ""
        out.print(f"    without: {', '.join(missing[:n_listed])}{rest}")
    renamed = [f"{gene} as {key}" for gene, key in source["renamed"].items()]
    if renamed:
        rest = f" and {len(renamed) - n_listed} more" if len(renamed) > n_listed else ""
        out.print(f"    by another name: {', '.join(renamed[:n_listed])}{rest}")
    print_findings(source["findings"])


def _plain(value: object, *, n_listed: int = 8) -> str:
    if isinstance(value, dict):
        parts = [f"{key}: {_plain(inner)}" for key, inner in value.items()]
    elif isinstance(value, list | tuple):
        parts = [_plain(inner) for inner in value]
    elif value is None:
        return "–"
    elif isinstance(value, bool):
        return "yes" if value else "no"
    elif isinstance(value, int):
        return f"{value:,}"
    else:
        return str(value)
    rest = f", and {len(parts) - n_listed} more" if len(parts) > n_listed else ""
    return ", ".join(parts[:n_listed]) + rest


def _top(prediction: Prediction, row: int, *, top: int) -> tuple[list[str], list[str]]:
    order = np.argsort(prediction.delta[row], kind="stable")

    def named(columns: Sequence[int]) -> list[str]:
        return [f"{prediction.genes[j]} {prediction.delta[row, j]:+.2f}" for j in columns]

    up = [int(j) for j in order[::-1][:top] if prediction.delta[row, j] > 0]
    down = [int(j) for j in order[:top] if prediction.delta[row, j] < 0]
    return named(up), named(down)


def prediction_record(prediction: Prediction, *, top: int) -> list[dict[str, Any]]:
    """Return each predicted perturbation with its status and strongest genes, as plain types."""
    records = []
    for i, name in enumerate(prediction.perturbations):
        up, down = _top(prediction, i, top=top)
        records.append(
            {
                "perturbation": str(name),
                "status": prediction.status[i],
                "detail": prediction.detail[i],
                "in_training": prediction.in_training[i],
                "up": up,
                "down": down,
            }
        )
    return records


def print_prediction(prediction: Prediction, *, top: int) -> None:
    """Print each predicted perturbation with its status and strongest genes."""
    rows = [
        (r["perturbation"], r["status"], ", ".join(r["up"]) or "–", ", ".join(r["down"]) or "–")
        for r in prediction_record(prediction, top=top)
    ]
    print_table("Predicted Δ (log1p-CP10k)", ("perturbation", "status", "up", "down"), rows)
    for name, detail in zip(prediction.perturbations, prediction.detail, strict=True):
        if detail:
            console().print(f"! {name}: {detail}")
    for name, seen in zip(prediction.perturbations, prediction.in_training, strict=True):
        if seen:
            console().print(
                f"! {name}: among the training perturbations, so this is what was fitted, not a prediction of the unseen"
            )


def print_effects(summary: Mapping[str, Any], out: Path) -> None:
    """Print what was summed and noticed."""
    from perturbridge.pipeline import targets_sentence

    for line in summary["explanation"]:
        console().print(f"· {line}")
    print_findings(summary["findings"])
    console().print(
        f"{summary['n_cells']:,} cells summed into {summary['n_perturbations']:,} perturbations x {summary['n_genes']:,} genes, "
        f"{max(len(summary['contexts']), 1)} contexts.\n{targets_sentence(summary['targets'])}\nWritten to {out}"
    )


def print_evaluation(evaluation: Evaluation) -> None:
    """Print what was noticed, the headline metrics of each scored model, and each model against its best baseline."""
    from perturbridge.evaluation import HEADLINE
    from perturbridge.pipeline import comparison_table, headline_table, records

    print_findings([finding.as_json() for finding in evaluation.findings])
    summary = records(evaluation.summary())
    scored = {row["metric"] for row in summary}
    shown = [metric for metric in HEADLINE if metric in scored] or list(
        dict.fromkeys(row["metric"] for row in summary)
    )[:4]
    table = headline_table(summary, model=evaluation.models[0], metrics=shown)
    print_table("\nScores, mean [95 % interval]", table.columns, table.rows, strong=table.strong)
    comparison = evaluation.comparison()
    if comparison is None:
        return
    for model in evaluation.models:
        rows = records(comparison[comparison["model"] == model])
        paired = comparison_table(rows, metrics=shown)
        print_table(f"\n{model} against the best baseline, perturbation by perturbation", paired.columns, paired.rows)


def print_comparison(found: RunComparison) -> None:
    """Print the headline metrics of each run, the paired differences from the first, and where each wins."""
    from perturbridge.pipeline import comparison_table, headline_table, number, records

    table = headline_table(records(found.summary()), model=found.models[0])
    print_table(
        "Held-out perturbations of all runs, mean [95 % interval]", table.columns, table.rows, strong=table.strong
    )
    for model in found.models[1:]:
        rows = records(found.comparison[found.comparison["model"] == model])
        paired = comparison_table(rows, against=found.models[0])
        print_table(f"\n{model} against {found.models[0]}, perturbation by perturbation", paired.columns, paired.rows)
        parts = [
            (
                str(row["metric"]),
                str(row["by"]),
                str(row["part"]),
                str(row["n"]),
                f"{number(row['difference'])} [{number(row['low'])}, {number(row['high'])}]",
            )
            for row in records(found.where[found.where["model"] == model])
        ]
        print_table("\nWhere (positive: better)", ("metric", "by", "part", "#n", "#better by"), parts)
    for note in found.notes:
        console().print(f"! {note}")


def print_record(title: str, record: Mapping[str, Any]) -> None:
    """Print names and values."""
    print_table(title, ("", ""), [(key.replace("_", " "), _plain(value)) for key, value in record.items()])


def print_coverage(report: Mapping[str, Any]) -> None:
    """Print which genes have a vector, and every one that has none."""
    print_source(report, n_listed=max(len(report["missing"]), len(report["renamed"]), 1))
