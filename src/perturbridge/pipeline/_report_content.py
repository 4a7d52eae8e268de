"""The sections of a run's report."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.evaluation import HEADLINE, METRICS
from perturbridge.plotting import figure_svg, plot_forest, plot_paired, plot_strength
from perturbridge.report import Figure, Report, Section, Table

from ._summary import comparison_table, finding_lines, headline_table, number, records, targets_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.values import Effects

    from ._cross_validate import CrossValidation

__all__ = ["report_content"]


def report_content(manifest: Mapping[str, Any], effects: Effects, validation: CrossValidation) -> Report:
    """Gather what a run found into the sections of its report."""
    summary = manifest["scores"]
    environment = manifest["environment"]
    return Report(
        title=f"perturbridge run: {manifest['config']['screen']}",
        answer=manifest["answer"],
        sections=(
            _scores(summary, manifest["comparison"], validation),
            *_strata(validation),
            _all_metrics(summary, validation.model),
            _screen(manifest, effects),
            _embeddings(manifest),
            _model(manifest),
        ),
        footer=(
            f"perturbridge {environment['perturbridge']}, Python {environment['python']}; split {validation.split.hash[:12]}, "
            f"screen {effects.fingerprint[:12]}; {manifest['seconds']} s. Command: {manifest['command'] or 'from Python'}"
        ),
    )


def _scores(
    summary: Sequence[Mapping[str, Any]], comparison: Sequence[Mapping[str, Any]], validation: CrossValidation
) -> Section:
    names = list(dict.fromkeys(str(row["model"]) for row in summary))
    forests = tuple(_forest(summary, metric, names=names, model=validation.model) for metric in HEADLINE)
    tables = (headline_table(summary, model=validation.model), comparison_table(comparison))
    return Section(
        title="Held-out perturbations",
        sentences=(
            "Mean over perturbations with a 95 % bootstrap interval; every model was fitted again in each fold, on training rows only. "
            "↑ higher is better, ↓ lower is better. * some scores are undefined (a constant profile has no correlation) and count as chance. "
            "The second table pairs the model with the best baseline of each metric, perturbation by perturbation; positive is better. "
            "The target genes of a perturbation are left out of its own scores.",
            _limits(summary),
        ),
        tables=tables,
        figures=(*forests, _paired(comparison, validation)),
    )


def _limits(summary: Sequence[Mapping[str, Any]]) -> str:
    """Say what a perfect prediction would reach, where the data can tell."""
    known = {
        row["metric"]: row["mean"]
        for row in summary
        if METRICS[row["metric"]].family == "limit" and not isnan(row["mean"])
    }
    if not known:
        return "The sampling noise of these profiles is not known, so no floor or ceiling can be given."
    told = ", ".join(f"{METRICS[name].title}: {number(value)}" for name, value in known.items())
    return f"What these cells allow at best: {told}."


def _all_metrics(summary: Sequence[Mapping[str, Any]], model: str) -> Section:
    scored = {row["metric"] for row in summary}
    rest = tuple(
        name for name in METRICS if name in scored and name not in HEADLINE and METRICS[name].family != "limit"
    )
    tables = tuple(headline_table(summary, model=model, metrics=rest[i : i + 4]) for i in range(0, len(rest), 4))
    return Section(title="All other metrics", tables=tables)


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
    return Figure(svg=figure_svg(ax), caption=fact.title + (f", {fact.unit}" if fact.unit else ""))


def _paired(comparison: Sequence[Mapping[str, Any]], validation: CrossValidation) -> Figure:
    metric = HEADLINE[0]
    best = next(str(row["best_baseline"]) for row in comparison if row["metric"] == metric)
    scores = validation.scores
    values: dict[str, dict[str, float]] = {}
    for name in (validation.model, best):
        rows = (scores.model == name) & (scores.metric == metric)
        values[name] = dict(zip(scores.perturbation[rows].tolist(), scores.value[rows].tolist(), strict=True))
    names = list(values[validation.model])
    ax = plot_paired(
        [values[validation.model][name] for name in names],
        [values[best].get(name, np.nan) for name in names],
        names=names,
        labels=(validation.model, best),
        title=metric,
        higher_is_better=METRICS[metric].higher_is_better,
    )
    return Figure(svg=figure_svg(ax), caption=f"One point per perturbation; {METRICS[metric].title}.")


def _strata(validation: CrossValidation) -> tuple[Section, ...]:
    if not any(fold.strata for fold in validation.split.folds):
        return ()
    by = records(validation.summary(by="stratum"))
    tables = []
    for stratum in sorted({str(row["stratum"]) for row in by}):
        part = [row for row in by if row["stratum"] == stratum]
        table = headline_table(part, model=validation.model)
        head = (f"{stratum}: {table.columns[0]}", *table.columns[1:])
        tables.append(Table(columns=head, rows=table.rows, strong=table.strong))
    return (Section(title="By stratum of the test perturbations", tables=tuple(tables)),)


def _screen(manifest: Mapping[str, Any], effects: Effects) -> Section:
    screen = manifest["screen"]
    warnings, notes = finding_lines(manifest["findings"])
    normalization = screen["normalization"]
    contexts = f"{len(screen['contexts'])} contexts" if len(screen["contexts"]) > 1 else "one context"
    return Section(
        title="The screen",
        warnings=warnings,
        sentences=(
            f"{screen['n_cells']:,} cells, {screen['n_genes']:,} genes, {screen['n_perturbations']:,} perturbations "
            f"({screen['n_pairs']:,} of several genes), {contexts}. {screen['source']}.",
            f"Values in {normalization['place']} are {normalization['kind']}: {normalization['evidence']}",
            *screen["explanation"],
            targets_sentence(manifest["targets"]),
            *notes,
        ),
        figures=(Figure(svg=figure_svg(plot_strength(effects)), caption="Each point is a perturbation."),),
    )


def _embeddings(manifest: Mapping[str, Any]) -> Section:
    rows, warnings, sentences = [], [], []
    for source in manifest["embeddings"]:
        rows.append(
            (
                source["name"],
                f"{source['n_covered']} of {source['n_asked']}",
                str(source["n_dims"]),
                source["license"] or "not stated",
            )
        )
        if source["missing"]:
            listed = ", ".join(f"{gene} ({how})" for gene, how in source["missing"].items())
            warnings.append(f"{source['name']} has no vector for {len(source['missing'])} perturbed genes: {listed}.")
        if source["renamed"]:
            listed = ", ".join(f"{gene} as {key}" for gene, key in source["renamed"].items())
            sentences.append(f"{source['name']} knows {len(source['renamed'])} genes by another name: {listed}.")
        more_warnings, notes = finding_lines(source["findings"])
        warnings += more_warnings
        sentences += notes
    table = Table(columns=("source", "perturbed genes with a vector", "#dimensions", "license"), rows=tuple(rows))
    return Section(title="Gene embeddings", warnings=tuple(warnings), sentences=tuple(sentences), tables=(table,))


def _model(manifest: Mapping[str, Any]) -> Section:
    everything = manifest["model"]["all"]
    rows = tuple(
        (str(key), number(value, digits=4) if isinstance(value, float) else str(value))
        for key, value in everything.items()
        if isinstance(value, str | int | float | bool)
    )
    return Section(
        title="The model fitted on all perturbations",
        sentences=(
            "Chosen by exact leave-one-out on its training rows; the same choice was made anew in each fold above.",
        ),
        tables=(Table(columns=("setting", "#value"), rows=rows), _sources(everything["sources"])),
    )


def _sources(sources: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            str(source["name"]),
            number(source["share"], digits=2),
            str(source["kernel"]),
            number(source["bandwidth"], digits=2),
            f"{source['n_with_vector']} of {source['n_genes']}",
        )
        for source in sources
    )
    return Table(columns=("source", "#share", "kernel", "#bandwidth", "genes with a vector"), rows=rows)
