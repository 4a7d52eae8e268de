"""`perturbridge demo`: everything on the built-in screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json, Overwrite, Seed, Threads

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder to make.")] = Path("runs/demo"),
    seed: Seed = 0,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Simulate a screen whose truth is known, run the whole path on it, and show what comes out.

    Example: `perturbridge demo`
    """
    from perturbridge import pipeline

    from ._show import check_output, console, print_json, progress_bars
    from ._tables import print_run

    pipeline.check_folder(out, overwrite=overwrite)
    path = check_output(out.with_name(f"{out.name}_screen.h5ad"), overwrite=overwrite, make_folder=True)
    simulated = pipeline.write_demo_screen(path, seed=seed)
    with progress_bars() as progress:
        config = pipeline.config_from_mapping({"screen": path, "seed": seed})
        done = pipeline.run(
            config, out, overwrite=overwrite, command=f"perturbridge demo --seed {seed}", progress=progress
        )
    if as_json:
        print_json(done.manifest)
        return
    screen = simulated.screen
    console().print(
        f"A simulated screen: {screen.n_cells} cells x {screen.n_genes} genes, {len(screen.perturbations)} perturbations, "
        f"{len(screen.context.categories) if screen.context else 1} contexts; each effect follows the gene's embedding, "
        "plus a part that no embedding can tell, plus sampling noise.\n"
    )
    print_run(done)
    console().print(
        f"\nNext: perturbridge predict {out} {' '.join(str(p) for p in screen.perturbations[:2])}"
        f"\n      perturbridge inspect {path}"
        "\n      perturbridge inspect your_screen.h5ad"
    )
