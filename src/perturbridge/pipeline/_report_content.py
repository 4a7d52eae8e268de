"""A run's report, in the order in which a reader asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perturbridge.plotting import figure_svg, plot_strength
from perturbridge.report import Figure, Report, Section, Table

from ._report_scores import all_metrics, coverage, how_good, strata
from ._report_subject import ScoredModel
from ._report_where import what_it_predicts, where
from ._summary import finding_lines, number, targets_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.values import Effects

    from ._cross_validate import CrossValidation

__all__ = ["report_content"]


def report_content(
    manifest: Mapping[str, Any],
    effects: Effects,
    validation: CrossValidation,
    *,
    checks: Sequence[Section] = (),
    cells: Sequence[Section] = (),
) -> Report:
    """Gather what a run found into the sections of its report.

    Parameters
    ----------
    manifest
        What the run wrote about itself.
    effects
        What was measured.
    validation
        Scores of the model and its baselines.
    checks
        More sections for the place where the verdict is, such as that of an audit; each stands on its own.
    cells
        Sections of the cell level, after what profiles say.
    """
    environment = manifest["environment"]
    return Report(
        title=f"perturbridge run: {manifest['config']['screen']}",
        answer=manifest["answer"],
        sections=(
            _asked(manifest, validation),
            _verdict(manifest),
            *checks,
            how_good(manifest, validation),
            where(manifest, validation),
            _predicted(effects, validation),
            *cells,
            *strata(validation),
            *coverage(manifest, validation),
            all_metrics(manifest["scores"], validation.model),
            _screen(manifest, effects),
            _embeddings(manifest),
            _model(manifest),
            _provenance(manifest, effects, validation),
        ),
        footer=f"perturbridge {environment['perturbridge']}; {manifest['seconds']} s.",
    )


def _predicted(effects: Effects, validation: CrossValidation) -> Section:
    """Where cells are held out each fold has test effects of its own; those of the first are shown beside its predictions."""
    if validation.measured is None:
        return what_it_predicts(effects, validation)
    fold, by = validation.split.folds[0], validation.split.by
    shown = ScoredModel(
        model=validation.model,
        scores=validation.scores,
        baselines=validation.baselines,
        held_out=validation.predictions[fold.name],
    )
    told = f"Predictions of the fold that holds out {by} {', '.join(fold.held_out)}, beside what was measured there."
    return what_it_predicts(validation.measured, shown, told=told)


def _asked(manifest: Mapping[str, Any], validation: CrossValidation) -> Section:
    screen, split = manifest["screen"], validation.split
    n = len({name for fold in split.folds for name in fold.test})
    sources = ", ".join(str(source["name"]) for source in manifest["embeddings"])
    kinds = {
        "perturbation": "whole perturbations are held out",
        "combination": "genes are held out, and with them every combination they are in",
        "similarity": "perturbations that the first embedding sees as alike are held out together",
    }
    if split.by:
        unseen = (
            f"To find out, all cells of some levels of {split.by} were held out, in {len(split.folds)} folds; {n} perturbations were "
            "predicted there from effects measured on the other cells alone, and scored against the controls of the held-out cells"
        )
    else:
        unseen = (
            f"To find out, {n} perturbations were predicted without having been seen, in {len(split.folds)} folds "
            f"({kinds.get(split.kind, 'a split of your own')})"
        )
    whose = f"in a {split.kind} it was not measured in" if split.by else "nobody has measured"
    return Section(
        title="What was asked",
        sentences=(
            f"Can the effect of a perturbation {whose} be predicted in this screen ({screen['n_cells']:,} cells, "
            f"{screen['n_genes']:,} genes, {screen['n_perturbations']:,} perturbations), from {sources}?",
            f"{unseen}, beside {len(validation.baselines)} baselines fitted on the same training rows: {', '.join(validation.baselines)}.",
        ),
    )


def _verdict(manifest: Mapping[str, Any]) -> Section:
    warnings, _ = finding_lines([*manifest["referee"], *manifest["findings"]])
    for source in manifest["embeddings"]:
        if source["missing"]:
            share = f"{len(source['missing'])} of {source['n_asked']}"
            warnings = (
                *warnings,
                f"{source['name']} has no vector for {share} perturbed genes; they are listed under Gene embeddings.",
            )
    said = "Nothing in the data or the scores asks for caution beyond the numbers." if not warnings else ""
    return Section(
        title="Verdict and checks",
        warnings=warnings,
        sentences=tuple(text for text in (said, targets_sentence(manifest["targets"])) if text),
    )


def _screen(manifest: Mapping[str, Any], effects: Effects) -> Section:
    screen = manifest["screen"]
    _, notes = finding_lines(manifest["findings"])
    normalization = screen["normalization"]
    contexts = f"{len(screen['contexts'])} contexts" if len(screen["contexts"]) > 1 else "one context"
    return Section(
        title="The screen",
        sentences=(
            f"{screen['n_cells']:,} cells, {screen['n_genes']:,} genes, {screen['n_perturbations']:,} perturbations "
            f"({screen['n_pairs']:,} of several genes), {contexts}. {screen['source']}.",
            f"Values in {normalization['place']} are {normalization['kind']}: {normalization['evidence']}",
            *screen["explanation"],
            *notes,
        ),
        figures=(
            Figure(
                svg=figure_svg(plot_strength(effects)),
                caption="Each point is a perturbation; one that does not rise above the grey dash of its number of cells may be noise alone.",
            ),
        ),
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
        folded=True,
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


def _provenance(manifest: Mapping[str, Any], effects: Effects, validation: CrossValidation) -> Section:
    environment, config = manifest["environment"], manifest["config"]
    rows = [
        ("command", manifest["command"] or "from Python"),
        ("seed", str(config["seed"])),
        (
            "perturbridge, Python, platform",
            f"{environment['perturbridge']}, {environment['python']}, {environment['platform']}",
        ),
        ("libraries", ", ".join(f"{name} {number}" for name, number in environment["libraries"].items())),
        ("screen, SHA-256 of its sums", effects.fingerprint),
        ("split, SHA-256", validation.split.hash),
        *((f"embedding {source['name']}, SHA-256", source["sha256"]) for source in manifest["embeddings"]),
    ]
    return Section(
        title="How to do it again",
        sentences=("config.toml in the run folder holds every setting: `perturbridge run config.toml -o AGAIN`.",),
        tables=(Table(columns=("what", "value"), rows=tuple((str(a), str(b)) for a, b in rows)),),
    )
