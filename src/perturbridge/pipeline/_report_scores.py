"""Sections of a report: how good, by stratum, and everything that was measured about it."""

from __future__ import annotations

from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.evaluation import DUPLICATE, HEADLINE, METRICS
from perturbridge.plotting import figure_svg, plot_coverage, plot_forest, plot_paired
from perturbridge.report import Card, Figure, Section, Table

from ._summary import comparison_table, headline_table, number, records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.values import ScoreTable

    from ._cross_validate import CrossValidation
    from ._report_subject import Subject

__all__ = ["all_metrics", "coverage", "how_good", "strata"]

_MEANING = MappingProxyType(
    {
        "rmse_excess": "size of the error beyond sampling noise",
        "pearson_delta": "shape against control",
        "pearson_delta_pert": "shape against the average perturbation",
        "pds_cosine": "are perturbations told apart",
    }
)


_THIRDS = MappingProxyType(
    {
        ("weak", "middle", "strong"): ("the size of what was measured", "By strength of the effect"),
        ("near", "middle", "far"): ("the distance to the nearest training perturbation", "By distance to training"),
    }
)


def how_good(
    manifest: Mapping[str, Any],
    validation: Subject,
    *,
    metrics: Sequence[str] = HEADLINE,
    how: str = "Every model was fitted again in each fold, on training rows only.",
) -> Section:
    """Headline four with interval, skill, best baseline and ceiling; tables; forest and paired plots.

    Parameters
    ----------
    manifest
        Records of scores, comparison, headline and calibration.
    validation
        What was scored.
    metrics
        Those to show.
    how
        How the predictions came about, in one sentence.
    """
    summary, comparison = manifest["scores"], manifest["comparison"]
    names = list(dict.fromkeys(str(row["model"]) for row in summary if row["model"] != DUPLICATE))
    forests = tuple(_forest(summary, metric, names=names, model=validation.model) for metric in metrics)
    return Section(
        title="How good is it",
        sentences=(
            "Scores are means over held-out perturbations with a 95 % bootstrap interval, perturbations of the same gene drawn together. "
            f"{how} ↑ higher is better, ↓ lower is better. * some scores are "
            "undefined (a constant profile has no correlation) and count as chance. Skill is 0 for the best baseline and 1 for what these "
            "cells allow.",
            _limits(summary),
            *_notes(summary),
        ),
        cards=tuple(_card(row, comparison) for row in manifest["headline"] if row["model"] == validation.model),
        tables=(
            headline_table(summary, model=validation.model, metrics=metrics),
            *((comparison_table(comparison, metrics=metrics),) if comparison else ()),
            *_calibration(manifest["calibration"]),
        ),
        figures=(*forests, *_paired(comparison, validation)),
    )


def _card(row: Mapping[str, Any], comparison: Sequence[Mapping[str, Any]]) -> Card:
    metric = str(row["metric"])
    arrow = "↑" if METRICS[metric].higher_is_better else "↓"
    pair = next((r for r in comparison if r["metric"] == metric), None)
    tone, told = _verdict(pair)
    skill = "skill unknown" if _absent(row["skill"]) else f"skill {number(row['skill'], digits=2)}"
    if not _absent(row["skill_low"]):
        skill += f" [{number(row['skill_low'], digits=2)}, {number(row['skill_high'], digits=2)}]"
    ceiling = "" if _absent(row["ceiling"]) else f"; at best {number(row['ceiling'])}"
    return Card(
        label=f"{metric} {arrow} · {_MEANING.get(metric, METRICS[metric].title)}",
        value=f"{number(row['mean'])} [{number(row['low'])}, {number(row['high'])}]",
        note=f"{told}. {skill[0].upper()}{skill[1:]}{ceiling}.",
        tone=tone,
    )


def _absent(value: float | None) -> bool:
    return value is None or isnan(value)


def _verdict(pair: Mapping[str, Any] | None) -> tuple[Any, str]:
    if pair is None or _absent(pair["difference"]):
        return "open", "Not comparable with a baseline"
    against = f"{pair['best_baseline']} ({number(pair['baseline_mean'])})"
    if not _absent(pair["p_holm"]) and pair["p_holm"] < 0.05:
        return ("good", f"Better than {against}") if pair["difference"] > 0 else ("bad", f"Worse than {against}")
    return "open", f"No difference shown from {against}"


def _limits(summary: Sequence[Mapping[str, Any]]) -> str:
    """Say what a perfect prediction would reach, where the data can tell."""
    known = {
        row["metric"]: row["mean"]
        for row in summary
        if METRICS[row["metric"]].family == "limit" and row["model"] != DUPLICATE and not isnan(row["mean"])
    }
    if not known:
        return "The sampling noise of these profiles is not known, so no floor or ceiling can be given."
    told = ", ".join(f"{METRICS[name].title}: {number(value)}" for name, value in known.items())
    return f"What these cells allow at best: {told}."


def _notes(summary: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say what would puzzle a reader of the table: a duplicate among the models, and an interval without width."""
    out = []
    if any(row["model"] == DUPLICATE for row in summary):
        out.append(
            f"{DUPLICATE} is no model: half of the cells as the prediction of the other half, with all the noise of so few cells."
        )
    still = [row for row in summary if row["metric"] == "pds_cosine" and row["low"] == row["high"] and row["n"] > 1]
    if still:
        out.append(
            "An interval of no width in pds_cosine: a model that predicts the same direction for all ranks them all alike, and its mean is "
            "chance by construction, whichever perturbations are drawn."
        )
    return tuple(out)


def _calibration(rows: Sequence[Mapping[str, Any]]) -> tuple[Table, ...]:
    """Lay out what each headline metric can tell on this data."""
    if not rows:
        return ()
    shown = [row for row in rows if row["metric"] in HEADLINE]
    cells = tuple(
        (
            str(row["metric"]),
            number(row["chance"], digits=2),
            number(row["negative"]),
            number(row["duplicate"]),
            f"{number(row['ceiling'])} [{number(row['ceiling_low'])}, {number(row['ceiling_high'])}]",
            number(row["drf"], digits=2),
            number(row["bds"], digits=2),
        )
        for row in shown
    )
    columns = ("metric", "#chance", "#training mean", "#technical duplicate", "#ceiling", "#DRF", "#BDS")
    title = (
        "What the metrics can tell on this data (half the cells as the prediction of the other half; BDS: share of perturbations where "
        "that beats the training mean)"
    )
    return (Table(columns=columns, rows=cells, title=title),)


def all_metrics(summary: Sequence[Mapping[str, Any]], model: str) -> Section:
    """Every other metric, four to a table."""
    known = {row["metric"] for row in summary if not isnan(row["mean"])}
    rest = tuple(n for n in METRICS if n in known and n not in HEADLINE and METRICS[n].family != "limit")
    tables = tuple(headline_table(summary, model=model, metrics=rest[i : i + 4]) for i in range(0, len(rest), 4))
    told = "; ".join(f"{name}: {METRICS[name].title}" for name in rest)
    return Section(title="All other metrics", sentences=(told,), tables=tables, folded=True)


def _forest(summary: Sequence[Mapping[str, Any]], metric: str, *, names: list[str], model: str) -> Figure:
    rows = {row["model"]: row for row in summary if row["metric"] == metric}
    fact = METRICS[metric]
    ax = plot_forest(
        names,
        [rows[name]["mean"] for name in names],
        lower=[rows[name]["low"] for name in names],
        upper=[rows[name]["high"] for name in names],
        title=metric,
        higher_is_better=fact.higher_is_better,
        highlight=model,
    )
    unit = f", {fact.unit}" if fact.unit else ""
    return Figure(
        svg=figure_svg(ax),
        caption=f"{fact.title}{unit}. Dot and line: mean and 95 % interval; the best model is on top, overlapping lines are no evidence.",
    )


def values_by_perturbation(scores: ScoreTable, model: str, metric: str) -> dict[str, float]:
    """Return one score for each perturbation, its folds averaged."""
    rows = (scores.model == model) & (scores.metric == metric)
    found: dict[str, list[float]] = {}
    for name, value in zip(scores.perturbation[rows].tolist(), scores.value[rows].tolist(), strict=True):
        found.setdefault(str(name), []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _paired(comparison: Sequence[Mapping[str, Any]], validation: Subject) -> tuple[Figure, ...]:
    if not validation.baselines:
        return ()
    known = [row for row in comparison if row["metric"] in HEADLINE and row["best_baseline"]]
    metric = str(known[0]["metric"]) if known else HEADLINE[1]
    best = str(known[0]["best_baseline"]) if known else validation.baselines[0]
    mine, other = (values_by_perturbation(validation.scores, name, metric) for name in (validation.model, best))
    names = list(mine)
    higher = METRICS[metric].higher_is_better
    ax = plot_paired(
        [mine[name] for name in names],
        [other.get(name, np.nan) for name in names],
        names=names,
        labels=(validation.model, best),
        title=metric,
        higher_is_better=higher,
    )
    side = "above" if higher else "below"
    figure = Figure(
        svg=figure_svg(ax),
        caption=f"One point for each perturbation; {side} the line the model is better than {best}. {METRICS[metric].title}.",
    )
    return (figure,)


def strata(validation: CrossValidation) -> tuple[Section, ...]:
    """Scores by stratum of the test perturbations, such as the genes of a pair that were seen in training."""
    if not any(fold.strata for fold in validation.split.folds):
        return ()
    by = [row for row in records(validation.summary(by="stratum")) if row["model"] != DUPLICATE]
    found = {str(row["stratum"]) for row in by}
    thirds = next((thirds for thirds in _THIRDS if found <= set(thirds)), None)
    tables = []
    for stratum in sorted(found) if thirds is None else [name for name in thirds if name in found]:
        part = [row for row in by if row["stratum"] == stratum]
        table = headline_table(part, model=validation.model)
        tables.append(Table(columns=table.columns, rows=table.rows, strong=table.strong, title=stratum))
    if thirds is not None:
        what, title = _THIRDS[thirds]
        sentence = (
            f"The same scores, apart for thirds of the perturbations by {what}. Perturbations compete with all others of their fold, so "
            "one third may be above chance in discrimination and another below without anything being known."
        )
        return (Section(title=title, sentences=(sentence,), tables=tuple(tables), folded=True),)
    sentence = "The same scores, apart for test perturbations of which none, one or both genes were measured alone in training."
    return (Section(title="Combinations", sentences=(sentence,), tables=tuple(tables)),)


def coverage(manifest: Mapping[str, Any], validation: Subject) -> tuple[Section, ...]:
    """Whether the prediction's intervals hold."""
    levels, spreads = [], []
    for level, metric in ((0.5, "picp_50"), (0.9, "picp_90")):
        values = np.array(list(values_by_perturbation(validation.scores, validation.model, metric).values()))
        values = values[np.isfinite(values)]
        if len(values):
            levels.append((level, float(values.mean())))
            spreads.append(tuple(np.quantile(values, [0.25, 0.75]).tolist()))
    if not levels:
        return ()
    x, y = zip(*levels, strict=True)
    low, high = zip(*spreads, strict=True)
    ax = plot_coverage(x, y, title="Coverage of intervals", spread=(low, high))
    told = ", ".join(f"{found:.1%} of real values lie inside {level:.0%} intervals" for level, found in levels)
    crps = next((r for r in manifest["scores"] if r["model"] == validation.model and r["metric"] == "crps"), None)
    score = (
        ""
        if crps is None
        else f" CRPS {number(crps['mean'], digits=4)} (lower is better; of a point prediction it is the MAE)."
    )
    return (
        Section(
            title="Can its intervals be trusted",
            sentences=(f"On held-out perturbations, {told}.{score}",),
            figures=(
                Figure(
                    svg=figure_svg(ax),
                    caption="Dots on the line: intervals hold as often as they say; below it they are too narrow. Bars: quartiles over perturbations.",
                ),
            ),
        ),
    )
