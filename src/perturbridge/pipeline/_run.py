"""The whole path: a screen and embeddings in, a scored model and its report in one folder out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturbridge._processes import refuse_several
from perturbridge.effects import EffectModel
from perturbridge.errors import EmbeddingError
from perturbridge.evaluation import referee, write_scores
from perturbridge.screens import read_split, target_changes, write_effects, write_prediction, write_split
from perturbridge.values import GeneEmbedding
from perturbridge.workers import as_workers

from ._cell_files import write_cell_level
from ._cell_level import CellLevel, cell_level
from ._cell_scores import LevelComparison, compare_levels
from ._config import RunConfig, config_to_toml
from ._controls import control_records
from ._cross_validate import CrossValidation, cross_validate
from ._duplicate import half_effects
from ._embedding_files import coverage_report
from ._folder import new_folder
from ._gates import gate_findings, profile_gates
from ._held_out_cells import fold_records, holds_out_cells, write_held_out
from ._inputs import load_effects, load_screen, load_sources
from ._inspect import check_memory
from ._manifest import environment, write_json
from ._own_sources import embeddings_of, measured_coverage
from ._perturbation_facts import perturbation_facts
from ._summary import records, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perturbridge.effects import SourceMaker
    from perturbridge.values import Effects, Finding, Screen

__all__ = ["Run", "run"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """A finished run.

    Parameters
    ----------
    folder
        Holds `config.toml manifest.json split.json scores.parquet effects.h5ad predictions.h5ad model/ report.html`.
    manifest
        What `manifest.json` holds.
    cross_validation
        Scores against every baseline.
    model
        Fitted on all perturbations.
    effects
        What was measured.
    cells
        The cell level, None where it was not asked for.
    levels
        What it adds to the profiles on held-out perturbations, None where it did not come that far.
    """

    folder: Path
    manifest: dict[str, Any]
    cross_validation: CrossValidation
    model: EffectModel
    effects: Effects
    cells: CellLevel | None = None
    levels: LevelComparison | None = None


def run(
    config: RunConfig,
    out: str | Path,
    *,
    overwrite: bool = False,
    command: str = "",
    client: object = None,
    memory: str | int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Run:
    """Read, sum, cross-validate against every baseline, fit on all perturbations, predict cells behind the gate, write a run folder.

    Parameters
    ----------
    config
        What to do.
    out
        The folder to make; on any error nothing is left in its place.
    overwrite
        Replace a run folder that is there already.
    command
        The command line, for the manifest.
    client
        A `dask.distributed.Client` or an executor: sums, fits and scores of the folds, alignments and cell distances are spread over its
        workers; default this process. It is no setting of the run: the results are the same to the last bit.
    memory
        Budget of this process and of each worker, `"16GB"`: sums that do not fit are made in several passes; a run that takes more than twice
        as much by its forecast is refused before it starts, and one that is near gets a finding. Like `client` no setting of the run.
    progress
        Called with a stage (`"cells"`, `"fits"`), steps done and steps in all.

    Raises
    ------
    PerturbridgeError
        What the rooms raise on bad input.
    FitError
        If `torchrun` started it several times.
    """
    refuse_several("A run")
    started = time.perf_counter()
    tell, workers = progress or (lambda _stage, _done, _total: None), as_workers(client)
    with new_folder(out, overwrite=overwrite) as folder:
        screen = load_screen(config)
        sources = load_sources(config, screen)
        embeddings = embeddings_of(sources)
        near = () if memory is None else check_memory(screen, embeddings, folds=config.folds, memory=memory)[1]
        effects = load_effects(
            config,
            screen,
            client=workers,
            memory=memory,
            progress=lambda done, total: tell("cells", done, total),
        )
        covered = [_covered(source, effects, screen) for source in sources]
        model = EffectModel(sources, kernel=config.kernel, seed=config.seed)
        asked = config.split_file
        split = read_split(asked, perturbations=effects.perturbations) if asked else config.split
        validation = cross_validate(
            model,
            effects,
            split=split,
            folds=config.folds,
            seed=config.seed,
            halves=None if holds_out_cells(split) else half_effects(screen, seed=config.seed, client=workers),
            screen=screen,
            min_cells=config.min_cells,
            client=workers,
            progress=lambda done, total: tell("fits", done, total),
        )
        model.fit(effects)
        cells = _cells(config, screen, effects, embeddings=embeddings, validation=validation, client=workers, tell=tell)
        levels = None
        if cells is not None:
            levels = compare_levels(cells, model, effects, validation=validation, seed=config.seed, client=workers)
        manifest = _manifest(config, screen, effects, model=model, validation=validation, command=command)
        manifest["environment"] = environment(workers=workers.description)
        manifest["embeddings"] = covered
        gates = profile_gates(effects, embeddings, split=validation.split)
        manifest["gates"] = [check.as_json() for check in gates]
        manifest["findings"] += _findings((*near, *gate_findings(gates)))
        manifest["perturbations"] = perturbation_facts(effects, validation.split, embeddings)
        manifest["cell_level"] = None if cells is None else cells.as_json()
        manifest["levels"] = None if levels is None else levels.as_json()
        _write(folder, config, effects, model=model, validation=validation)
        if cells is not None:
            write_cell_level(cells, folder / "cells")
        manifest["seconds"] = round(time.perf_counter() - started, 2)
        write_json(folder / "manifest.json", manifest)
        (folder / "report.html").write_text(_report(manifest, effects, validation, cells=cells), encoding="utf-8")
    return Run(
        folder=Path(out),
        manifest=manifest,
        cross_validation=validation,
        model=model,
        effects=effects,
        cells=cells,
        levels=levels,
    )


def _cells(
    config: RunConfig,
    screen: Screen,
    effects: Effects,
    *,
    embeddings: Sequence[GeneEmbedding],
    validation: CrossValidation,
    client: object,
    tell: Callable[[str, int, int], None],
) -> CellLevel | None:
    # A response to perturbations is learnt from vectors that are there before any fit.
    if not config.cell_level or not embeddings:
        return None
    return cell_level(
        screen,
        effects,
        embeddings,
        split=validation.split,
        override=config.override_audit,
        seed=config.seed,
        device=config.device,
        client=client,
        progress=tell,
    )


def _report(manifest: dict[str, Any], effects: Effects, validation: CrossValidation, *, cells: CellLevel | None) -> str:
    # Imported here: figures are the dearest import of all, and only a run draws any.
    from perturbridge.report import render_report

    from ._report_cells import cell_sections
    from ._report_content import report_content

    trust, more = cell_sections(manifest, cells)
    return render_report(report_content(manifest, effects, validation, checks=trust, cells=more))


def _covered(source: GeneEmbedding | SourceMaker, effects: Effects, screen: Screen) -> dict[str, Any]:
    """Report the coverage of the perturbed genes; refuse a source that has none of them."""
    genes = sorted({gene for name in effects.perturbations for gene in name.genes})
    if isinstance(source, GeneEmbedding):
        report, known = coverage_report(source, genes), source.genes
    else:
        report, known = measured_coverage(source.name, screen), effects.genes
    if not report["n_covered"]:
        problem = (
            f"None of the {len(genes)} perturbed genes is in embedding {source.name!r} "
            f"(perturbed: {', '.join(genes[:3])}; in the embedding: {', '.join(known[:3])})."
        )
        raise EmbeddingError(
            problem, cure="Pass an embedding of the same species and identifiers, or an alias table that joins them."
        )
    return report


def _findings(findings: Sequence[Finding]) -> list[dict[str, str | int]]:
    return [finding.as_json() for finding in findings]


def _manifest(
    config: RunConfig,
    screen: Screen,
    effects: Effects,
    *,
    model: EffectModel,
    validation: CrossValidation,
    command: str,
) -> dict[str, Any]:
    normalization = screen.normalization
    comparison = records(validation.comparison())
    return {
        "schema": 1,
        "command": command,
        "config": config.model_dump(mode="json"),
        "screen": {
            "source": screen.source.description,
            "n_cells": screen.n_cells,
            "n_genes": screen.n_genes,
            "n_perturbations": len(effects.perturbations),
            "n_pairs": sum(not name.is_single for name in effects.perturbations),
            "contexts": list(effects.contexts.names) if effects.contexts else [],
            "normalization": {
                "kind": normalization.kind,
                "place": normalization.place,
                "target_sum": normalization.target_sum,
                "evidence": normalization.evidence,
            },
            "controls": control_records(screen, effects),
            "explanation": list(screen.explanation),
            "fingerprint": effects.fingerprint,
        },
        "findings": _findings((*screen.findings, *effects.findings, *validation.findings)),
        "targets": target_changes(effects),
        "split": {
            "kind": validation.split.kind,
            "folds": len(validation.split.folds),
            "hash": validation.split.hash,
            **fold_records(validation.split),
        },
        "model": {"name": model.name, "all": model.report_, "folds": validation.reports},
        "scores": records(validation.summary()),
        "comparison": comparison,
        "headline": records(validation.headline()),
        "calibration": [] if (calibration := validation.calibration()) is None else records(calibration),
        "referee": _findings(referee(validation.scores, model=model.name, prediction=validation.held_out)),
        "answer": verdict(validation, comparison),
    }


def _write(
    folder: Path, config: RunConfig, effects: Effects, *, model: EffectModel, validation: CrossValidation
) -> None:
    (folder / "config.toml").write_text(config_to_toml(config), encoding="utf-8")
    write_split(validation.split, folder / "split.json")
    write_scores(validation.scores, folder / "scores.parquet")
    write_effects(effects, folder / "effects.h5ad")
    write_prediction(validation.held_out, folder / "predictions.h5ad")
    write_held_out(folder, validation.split, validation.predictions)
    model.save(folder / "model")
