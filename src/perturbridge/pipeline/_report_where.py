"""Sections of a report: where the model works and fails, and what it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.evaluation import HEADLINE, METRICS, contrast_of_real
from perturbridge.plotting import (
    figure_svg,
    plot_against,
    plot_heatmaps,
    plot_observed,
    plot_top_genes,
    plot_volcano,
)
from perturbridge.report import Figure, Section, Table

from ._report_scores import values_by_perturbation
from ._summary import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.values import Effects, Prediction

    from ._report_subject import Subject

__all__ = ["what_it_predicts", "where"]

_MAP_ROWS, _MAP_COLUMNS = 24, 24
_FEWEST_VALUES = 6
_PROPERTIES = (
    ("effect_size", "effect size (RMS Δ)", "Strong effects are easier to tell apart from noise"),
    (
        "distance",
        "distance to training (1 − cosine)",
        "A model that uses its embedding is better near what it has seen",
    ),
    ("expression", "expression of the target in controls", "A target that is hardly expressed may hardly be perturbed"),
    ("n_cells", "cells", "Few cells make a noisy truth"),
)


def where(manifest: Mapping[str, Any], validation: Subject) -> Section:
    """Score against properties of the perturbations, and a table of all of them."""
    facts = manifest["perturbations"]
    names = [str(row["perturbation"]) for row in facts]
    metric, score = (
        "pearson_delta_pert",
        values_by_perturbation(validation.scores, validation.model, "pearson_delta_pert"),
    )
    if not np.isfinite(list(score.values())).any():
        metric, score = "pearson_delta", values_by_perturbation(validation.scores, validation.model, "pearson_delta")
    figures = []
    for key, label, why in _PROPERTIES:
        x = np.array([np.nan if row[key] is None else row[key] for row in facts], dtype=np.float64)
        if len(np.unique(x[np.isfinite(x)])) < _FEWEST_VALUES:
            continue
        ax = plot_against(
            x,
            [score.get(name, np.nan) for name in names],
            names=names,
            labels=(label, metric),
            title=f"by {label.split(' (')[0]}",
        )
        figures.append(
            Figure(
                svg=figure_svg(ax),
                caption=f"One point for each perturbation, the line joins medians of equal groups. {why}.",
            )
        )
    return Section(
        title="Where it works and where it fails",
        sentences=(
            "Each held-out perturbation, its scores and what is known about it. Click a head to sort; type to filter. "
            "Gain: the RMSE of the training mean less the model's; above 0 the model is better. Distance: 1 − cosine to the nearest training "
            "perturbation in the embedding.",
        ),
        tables=(_table(facts, validation),),
        figures=tuple(figures),
    )


def _table(facts: Sequence[Mapping[str, Any]], validation: Subject) -> Table:
    scores = {
        metric: values_by_perturbation(validation.scores, validation.model, metric) for metric in ("rmse", *HEADLINE)
    }
    mean = values_by_perturbation(validation.scores, "mean", "rmse")
    status = dict(zip(validation.scores.perturbation.tolist(), validation.scores.status.tolist(), strict=True))
    model_rows = validation.scores.model == validation.model
    status |= dict(
        zip(
            validation.scores.perturbation[model_rows].tolist(),
            validation.scores.status[model_rows].tolist(),
            strict=True,
        )
    )
    rows = []
    for fact in sorted(facts, key=lambda f: -f["effect_size"]):
        name = str(fact["perturbation"])
        gain = mean.get(name, np.nan) - scores["rmse"].get(name, np.nan)
        rows.append(
            (
                name,
                str(fact["n_cells"]),
                number(fact["effect_size"]),
                number(fact["distance"], digits=2),
                number(fact["expression"], digits=2),
                *(number(scores[metric].get(name)) for metric in HEADLINE),
                number(gain),
                str(status.get(name, "")),
            )
        )
    arrows = tuple(f"#{metric} {'↑' if METRICS[metric].higher_is_better else '↓'}" for metric in HEADLINE)
    columns = ("perturbation", "#cells", "#effect size", "#distance", "#expression", *arrows, "#gain", "status")
    # A column of dashes, such as the distance where no embedding is known, only takes room.
    kept = [j for j in range(len(columns)) if any(row[j] != "–" for row in rows)]
    return Table(
        columns=tuple(columns[j] for j in kept),
        rows=tuple(tuple(row[j] for j in kept) for row in rows),
        searchable=True,
    )


def what_it_predicts(
    effects: Effects, validation: Subject, *, told: str = "Predictions of perturbations that were held out."
) -> Section:
    """Maps of Δ, and a good, a middling and a bad prediction gene by gene; `told` says what is predicted."""
    prediction = validation.held_out
    order = [effects.genes.index(gene) for gene in prediction.genes] if prediction.genes != effects.genes else None
    measured = effects.delta[effects.rows(prediction.perturbations)]
    measured = measured if order is None else measured[:, order]
    figures = [_maps(measured, prediction)]
    score = values_by_perturbation(validation.scores, validation.model, "pearson_delta")
    names = [str(name) for name in prediction.perturbations]
    ranked = sorted((name for name in names if not np.isnan(score.get(name, np.nan))), key=lambda n: -score[n])
    chosen = {"best": ranked[:1], "middle": ranked[len(ranked) // 2 : len(ranked) // 2 + 1], "worst": ranked[-1:]}
    seen: set[str] = set()
    for word, found in chosen.items():
        for name in found:
            if name not in seen:
                seen.add(name)
                figures += _one(
                    effects, prediction, names.index(name), measured=measured, word=f"{word}, r = {score[name]:.2f}"
                )
    return Section(
        title="What it predicts",
        sentences=(
            f"{told} Three are shown gene by gene: the best, the middle and the worst by Pearson against control.",
        ),
        figures=tuple(figures),
    )


def _maps(measured: np.ndarray[Any, np.dtype[np.float64]], prediction: Prediction) -> Figure:
    rows = np.argsort(-np.abs(measured).mean(axis=1), kind="stable")[:_MAP_ROWS]
    columns = np.argsort(-measured[rows].std(axis=0), kind="stable")[:_MAP_COLUMNS]
    columns = columns[np.argsort(-measured[np.ix_(rows, columns)].mean(axis=0), kind="stable")]
    axes = plot_heatmaps(
        measured[np.ix_(rows, columns)],
        prediction.delta[np.ix_(rows, columns)],
        rows=[str(prediction.perturbations[i]) for i in rows],
        columns=[prediction.genes[j] for j in columns],
    )
    return Figure(
        svg=figure_svg(axes[0]),
        caption=(
            f"The {len(rows)} strongest held-out perturbations and the {len(columns)} genes that differ most among them, on one color "
            "scale: where the right map repeats the left one, the model is right; paler means shrunk towards no change."
        ),
    )


def _one(
    effects: Effects, prediction: Prediction, row: int, *, measured: np.ndarray[Any, np.dtype[np.float64]], word: str
) -> list[Figure]:
    name = str(prediction.perturbations[row])
    bounds = None
    if prediction.lower is not None and prediction.upper is not None:
        bounds = prediction.lower[row], prediction.upper[row]
    top = plot_top_genes(
        prediction.delta[row], genes=prediction.genes, title=f"{name} ({word})", measured=measured[row], bounds=bounds
    )
    pair = plot_observed(measured[row], prediction.delta[row], genes=prediction.genes, title=name)
    figures = [
        Figure(
            svg=figure_svg(top),
            new_row=True,
            caption="The genes predicted to move most: filled dots are predicted"
            + (", lines their intervals" if bounds is not None else "")
            + ", open diamonds measured.",
        ),
        Figure(
            svg=figure_svg(pair),
            caption="Every gene: on the line, prediction and measurement agree; flat means shrunk.",
        ),
    ]
    contrast = contrast_of_real(effects.take([prediction.perturbations[row]]))
    if contrast is not None:
        called = "orange genes are significant" if contrast.significant.any() else "no gene is significant"
        volcano = plot_volcano(
            contrast.change[0],
            contrast.p[0],
            genes=effects.genes,
            significant=contrast.significant[0],
            title=f"{name}, measured",
        )
        figures.append(
            Figure(
                svg=figure_svg(volcano),
                caption=f"What was measured: {called} (Welch, adjusted p < 0.05).",
            )
        )
    return figures
