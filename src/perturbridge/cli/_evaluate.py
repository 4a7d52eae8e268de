"""`perturbridge evaluate`: scores for predictions made anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ._options import (
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
    predictions: Annotated[
        list[Path], typer.Argument(help="Prediction files (.h5ad, rows are perturbations, X is delta).")
    ],
    screen: Annotated[Path, typer.Option("--screen", "-s", help="What was measured: a screen, or an effects.h5ad.")],
    train: Annotated[
        Path | None,
        typer.Option(
            help="Text file with the training perturbations, one a line. [default: all that are not predicted]"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the long table: .parquet or .csv.")] = None,
    min_cells: MinCells = 2,
    drop_small: Drop = False,
    seed: Seed = 0,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Score predictions against measured effects, beside baselines fitted on the training perturbations alone.

    Example: `perturbridge evaluate pred.h5ad -s screen.h5ad -o scores.csv`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json, progress_bars
    from ._tables import print_scores

    if out is not None:
        check_output(out, overwrite=overwrite)
    config = pipeline.config_from_mapping(
        {
            "screen": screen,
            **settings,
            **few_cells(min_cells, drop_small=drop_small),
            "seed": seed,
        }
    )
    with progress_bars() as progress:
        result = pipeline.evaluate_files(predictions, config, train_file=train, out=out, progress=progress)
    if as_json:
        print_json(result)
    else:
        print_scores(result, title="Scores")
