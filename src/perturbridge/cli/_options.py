"""Options that several commands share, spelled once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Aliases",
    "Checkpoint",
    "Dask",
    "Drop",
    "Embedding",
    "Json",
    "Memory",
    "MinCells",
    "Overwrite",
    "Seed",
    "Threads",
    "few_cells",
]


def _set_threads(value: int | None) -> int | None:
    # Read by the numerical libraries when they are first loaded, which no command does before its options are parsed.
    if value is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ[name] = str(value)
    return value


MinCells = Annotated[int, typer.Option(min=1, help="A perturbation with fewer cells stops the command.")]
Drop = Annotated[bool, typer.Option("--drop-small", help="Leave perturbations with too few cells out, and list them.")]
Embedding = Annotated[
    list[str] | None,
    typer.Option(
        "--embedding",
        "-e",
        help="Embedding file, a table that ships, or coexpression or training_responses, which are computed from the screen; "
        "may be given again. [default: go_words]",
    ),
]
Aliases = Annotated[
    Path | None,
    typer.Option(help="Your own table of gene names (tsv: symbol, previous, alias, ensembl). [default: ours]"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws folds and shuffles.")]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1, callback=_set_threads, is_eager=True, help="Threads of the numerical libraries.", show_default="all"
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        help="Workers: local, local:4, the address of a scheduler (tcp://host:8786) or its scheduler file (.json). They read the files "
        "themselves.",
        show_default="this process",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        help="Most memory to take, this process and each worker: 4GB, 500MB. What does not fit at once is done piece by piece, or refused "
        "before it starts.",
        show_default="no limit",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        help="Folder for sums while the work lasts; the same command goes on from them. Workers must reach it as well."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def few_cells(min_cells: int, *, drop_small: bool) -> dict[str, int | str]:
    """Return the settings behind `--min-cells` and `--drop-small`."""
    return {"min_cells": min_cells, "on_few": "drop" if drop_small else "raise"}
