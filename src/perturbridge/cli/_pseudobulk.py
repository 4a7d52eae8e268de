"""`perturbridge pseudobulk`: the Δ table of a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ._options import (
    Checkpoint,
    Dask,
    Drop,
    Json,
    Memory,
    MinCells,
    Overwrite,
    Threads,
    few_cells,
)
from ._screen_options import ScreenArgument, takes_screen_settings

__all__ = ["pseudobulk"]


@takes_screen_settings
def pseudobulk(
    settings: dict[str, Any],
    screen: ScreenArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write (.h5ad).")],
    min_cells: MinCells = 2,
    drop_small: Drop = False,
    dask: Dask = None,
    memory: Memory = None,
    checkpoint: Checkpoint = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Sum a screen into context-matched effects, in one pass over the file; the result is the same for any workers and memory.

    Example: `perturbridge pseudobulk screen.h5ad -o effects.h5ad`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json, progress_bars
    from ._tables import print_effects
    from ._workers import tell, workers_behind

    config = pipeline.config_from_mapping(
        {
            "screen": screen,
            **settings,
            **few_cells(min_cells, drop_small=drop_small),
        }
    )
    check_output(out, overwrite=overwrite)
    with workers_behind(dask) as workers, progress_bars() as progress:
        summary = pipeline.write_pseudobulk(
            config, out, client=workers, memory=memory, checkpoint=checkpoint, progress=progress, tell=tell
        )
    if as_json:
        print_json(summary)
    else:
        print_effects(summary, out)
