"""`perturbridge run`: the whole path."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import (
    Aliases,
    Dask,
    Drop,
    Embedding,
    Json,
    Memory,
    MinCells,
    Overwrite,
    Seed,
    Threads,
    few_cells,
)
from ._screen_options import takes_screen_settings

if TYPE_CHECKING:
    from perturbridge.pipeline import RunConfig

__all__ = ["run"]


@takes_screen_settings
def run(
    settings: dict[str, Any],
    screen: Annotated[Path, typer.Argument(help="The screen (.h5ad or a three-file folder), or a run's config.toml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder to make.")],
    embedding: Embedding = None,
    aliases: Aliases = None,
    min_cells: MinCells = 2,
    drop_small: Drop = False,
    kernel: Annotated[str, typer.Option(help="auto, linear or rbf.")] = "auto",
    split: Annotated[
        str,
        typer.Option(
            help="perturbation: k folds. combination: genes held out. similarity: alike ones together. context, sample, state: whole "
            "levels held out."
        ),
    ] = "perturbation",
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    split_file: Annotated[
        Path | None, typer.Option(help="Use this split: split.json, GEARS .pkl, STATE .toml or .csv.")
    ] = None,
    cell_level: Annotated[
        bool,
        typer.Option("--cell-level/--no-cell-level", help="Predict cells too: latent, audit, transport, response."),
    ] = True,
    override_audit: Annotated[
        str, typer.Option(metavar="REASON", help="Open the gate against the audit; the reason is written down.")
    ] = "",
    device: Annotated[str, typer.Option(help="Where the latent is trained: auto, cpu or cuda.")] = "auto",
    seed: Seed = 0,
    dask: Dask = None,
    memory: Memory = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Read a screen, predict held-out perturbations beside every baseline, fit a model on all of them, write a run folder.

    Example: `perturbridge run screen.h5ad -e GenePT.pickle -o runs/a`
    """
    from perturbridge import pipeline

    from ._show import print_json, progress_bars
    from ._tables import print_run
    from ._workers import workers_behind

    given = {
        **settings,
        **few_cells(min_cells, drop_small=drop_small),
        "kernel": kernel,
        "split": split,
        "folds": folds,
        "split_file": split_file,
        "cell_level": cell_level,
        "override_audit": override_audit,
        "device": device,
        "seed": seed,
        "aliases": aliases,
        **({"embedding": tuple(embedding)} if embedding else {}),
    }
    if screen.suffix == ".toml":
        config = _config_alone(pipeline.read_config(screen), given)
    else:
        config = pipeline.config_from_mapping({"screen": screen, **given})
    with workers_behind(dask) as workers, progress_bars() as progress:
        done = pipeline.run(
            config,
            out,
            overwrite=overwrite,
            command=" ".join(sys.argv),
            client=workers,
            memory=memory,
            progress=progress,
        )
    if as_json:
        print_json(done.manifest)
    else:
        print_run(done)


def _config_alone(config: RunConfig, given: dict[str, Any]) -> RunConfig:
    """Refuse settings beside a configuration file, instead of ignoring either."""
    from perturbridge.errors import DataError

    fields = type(config).model_fields
    extra = [name for name, value in given.items() if value != fields[name].default]
    if extra:
        problem = f"A configuration file and {len(extra)} other settings were given, the first is {extra[0]!r}."
        raise DataError(problem, cure="Write them into the file, or leave the file out.")
    return config
