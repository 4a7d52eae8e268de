"""`perturbridge compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json, Overwrite, Seed, Threads

__all__ = ["compare"]


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders of one screen; the others are compared with the first.")
    ],
    gene_sets: Annotated[
        Path | None,
        typer.Option("--gene-sets", help="Gene-set file (.gmt): also compare perturbations of their members."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the paired differences (.csv or .parquet).")
    ] = None,
    seed: Seed = 0,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compare the models of two runs or more on the perturbations that all held out, with intervals, and say where each wins.

    Example: `perturbridge compare runs/a runs/b`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json
    from ._tables import print_comparison

    if out is not None:
        check_output(out, overwrite=overwrite)
    found = pipeline.compare_runs(runs, gene_sets=gene_sets, seed=seed)
    if out is not None:
        pipeline.write_table(found.comparison, out)
    if as_json:
        print_json(
            {
                "models": found.models,
                "comparison": pipeline.records(found.comparison),
                "where": pipeline.records(found.where),
                "notes": found.notes,
            }
        )
    else:
        print_comparison(found)
