"""`perturbridge evaluate`: scores for predictions made anywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ._options import (
    Dask,
    Drop,
    Json,
    MinCells,
    Overwrite,
    Seed,
    Threads,
    few_cells,
)
from ._screen_options import takes_screen_settings

__all__ = ["evaluate"]


@takes_screen_settings
def evaluate(
    settings: dict[str, Any],
    screen: Annotated[
        Path,
        typer.Option("--screen", "-s", "--adata-real", "-ar", help="What was measured: a screen, or an effects.h5ad."),
    ],
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Predictions, one file a model: of `perturbridge predict`, h5ad of mean profiles, or of cells."
        ),
    ] = None,
    adata_pred: Annotated[
        list[Path] | None,
        typer.Option("--adata-pred", "-ap", help="The same, as cell-eval spells it; may be given again."),
    ] = None,
    pert_col: Annotated[
        str | None, typer.Option("--pert-col", help="Column with the perturbation labels, in all files.")
    ] = None,
    control_pert: Annotated[str | None, typer.Option("--control-pert", help="Label of control cells.")] = None,
    celltype_col: Annotated[
        str | None, typer.Option("--celltype-col", help="Same as --context: controls are matched within it.")
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            help="Text file with the training perturbations, one a line. [default: all that are not predicted]"
        ),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Which metrics: full, minimal, pseudobulk (anndata), de, distributional, pds, vcc.")
    ] = "full",
    skip_metrics: Annotated[str, typer.Option(help="Metrics to leave out, joined by commas.")] = "",
    ceiling: Annotated[
        bool, typer.Option("--ceiling", help="Also score a technical duplicate: what two halves of the cells reach.")
    ] = False,
    de_test: Annotated[
        str,
        typer.Option(help="Significant genes by welch (from means and variances) or wilcoxon (from cells; slow)."),
    ] = "welch",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            "--outdir",
            help="The long table (.parquet or .csv), or a folder for all there is, report.html included.",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Draw report.html in the folder of --out.")
    ] = True,
    export: Annotated[
        Path | None, typer.Option(help="Folder: also write each prediction as cells that cell-eval2 reads.")
    ] = None,
    export_noise: Annotated[
        str, typer.Option(help="Cells of the export: none (all equal the mean) or controls (controls shifted by Δ).")
    ] = "none",
    min_cells: MinCells = 2,
    drop_small: Drop = False,
    seed: Seed = 0,
    dask: Dask = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Score predictions of any model against measured effects, beside baselines fitted on the training perturbations alone.

    Example: `perturbridge evaluate pred.h5ad other.h5ad -s screen.h5ad -o scores/`
    """
    from perturbridge import pipeline

    from ._show import print_json, progress_bars
    from ._tables import print_evaluation
    from ._workers import workers_behind

    _check_targets(out, export, overwrite=overwrite)
    aliases = {"perturbation": pert_col, "control": (control_pert,) if control_pert else None, "context": celltype_col}
    real = pipeline.config_from_mapping(
        {"screen": screen, **_joined(settings, aliases), **few_cells(min_cells, drop_small=drop_small), "seed": seed}
    )
    config = pipeline.EvaluateConfig(
        real=real,
        train_file=train,
        profile=profile,
        skip=tuple(name for name in skip_metrics.split(",") if name),
        ceiling=ceiling,
        de_test=de_test,
    )
    with workers_behind(dask) as workers, progress_bars() as progress:
        found = pipeline.evaluate_files(_all(predictions, adata_pred), config, client=workers, progress=progress)
    if out is not None:
        pipeline.write_evaluation(found, out, command=" ".join(sys.argv), report=report)
    if export is not None:
        pipeline.export_evaluation(found, config, export, noise=export_noise)
    if as_json:
        print_json(pipeline.records(found.summary()))
    else:
        print_evaluation(found)


def _all(predictions: list[Path] | None, adata_pred: list[Path] | None) -> list[Path]:
    from perturbridge.errors import DataError

    paths = [*(predictions or []), *(adata_pred or [])]
    if not paths:
        problem = "No prediction was given."
        raise DataError(problem, cure="Pass one file or more, as arguments or with -ap.")
    return paths


def _joined(settings: dict[str, Any], aliases: dict[str, Any]) -> dict[str, Any]:
    """Fill in settings that were given by their other name; refuse both at once."""
    from perturbridge.errors import DataError

    given = {name: value for name, value in aliases.items() if value is not None}
    twice = [name for name in given if settings[name] is not None]
    if twice:
        problem = f"{twice[0]!r} was given by two names."
        raise DataError(problem, cure="Give it once.")
    return {**settings, **given}


def _check_targets(out: Path | None, export: Path | None, *, overwrite: bool) -> None:
    from ._show import check_output

    for path in (out, export):
        if path is not None:
            check_output(path, overwrite=overwrite)
