"""`perturbridge pseudobulk`: the Δ table of a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ._options import (
    Drop,
    Json,
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
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Sum a screen into context-matched effects, in one pass over the file.

    Example: `perturbridge pseudobulk screen.h5ad -o effects.h5ad`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json, progress_bars
    from ._tables import print_effects

    config = pipeline.config_from_mapping(
        {
            "screen": screen,
            **settings,
            **few_cells(min_cells, drop_small=drop_small),
        }
    )
    check_output(out, overwrite=overwrite)
    with progress_bars() as progress:
        summary = pipeline.write_pseudobulk(config, out, progress=progress)
    if as_json:
        print_json(summary)
    else:
        print_effects(summary, out)
