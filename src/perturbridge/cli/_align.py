"""`perturbridge align`: optimal transport between controls and perturbed cells, behind the audit's gate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ._options import Dask, Json, Overwrite, Seed, Threads

__all__ = ["align"]


def align(
    data: Annotated[Path, typer.Argument(help="An .h5ad, or a latent in a file of its own (see --labels).")],
    context: Annotated[str, typer.Option(help="Column of the technical grouping (batch, chip, lane).")],
    condition: Annotated[
        str, typer.Option("--condition", "--perturbation", help="Column with the perturbation labels.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder to make.")] = None,
    rep: Annotated[str | None, typer.Option(help="Key of obsm, or a file. [default: PCA of the counts]")] = None,
    labels: Annotated[Path | None, typer.Option(help="Table of the cells, for a latent in a file of its own.")] = None,
    sample: Annotated[str | None, typer.Option(help="Column with the biological unit (donor, replicate).")] = None,
    state: Annotated[str | None, typer.Option(help="Column with biology that plans never cross (cell type).")] = None,
    guide: Annotated[
        str | None, typer.Option(help="Column of the guide; control guides are tried as placebos.")
    ] = None,
    control: Annotated[list[str] | None, typer.Option(help="Label of control cells; may be given again.")] = None,
    solver: Annotated[
        Literal["sinkhorn", "bures", "emd", "unbalanced", "partial", "raw"],
        typer.Option(help="How cells are paired; raw is for comparison, it is worse than no displacement."),
    ] = "sinkhorn",
    epsilon: Annotated[float, typer.Option(help="Entropic strength, in units of the mean control cost.")] = 0.2,
    strata: Annotated[
        Literal["auto", "state", "clusters", "none"], typer.Option(help="What plans never cross.")
    ] = "auto",
    make: Annotated[str, typer.Option(help="Latent to make of the counts where none is named: PCA, AE, VAE.")] = "PCA",
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair a latent that does not pass, then align it.")
    ] = False,
    override_audit: Annotated[
        str, typer.Option(metavar="REASON", help="Open the gate against the audit; the reason is written down.")
    ] = "",
    drop_unlabelled: Annotated[
        bool, typer.Option("--drop-unlabelled", help="Leave cells without a label out, and count them.")
    ] = False,
    place: Annotated[str | None, typer.Option(help="Where the counts lie: X, raw/X or layers/NAME.")] = None,
    seed: Seed = 0,
    dask: Dask = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Audit a latent and, if the gate opens, say where each perturbation moves the controls.

    Example: `perturbridge align screen.h5ad --rep X_pca --context batch --condition perturbation -o moved`
    """
    from perturbridge import AlignmentSettings, AuditSettings, pipeline

    from ._align_show import print_alignment
    from ._show import print_json, progress_bars
    from ._workers import workers_behind

    if out is not None:
        pipeline.check_folder(out, overwrite=overwrite)
    with workers_behind(dask) as workers, progress_bars() as progress:
        done = pipeline.align_data(
            data,
            context=context,
            condition=condition,
            rep=rep,
            labels=labels,
            sample=sample,
            state=state,
            guide=guide,
            control=tuple(control or ()),
            place=place,
            make=make,
            drop_unlabelled=drop_unlabelled,
            repair=repair,
            override=override_audit,
            settings=AlignmentSettings(solver=solver, epsilon=epsilon, strata=strata, seed=seed),
            audit_settings=AuditSettings(seed=seed),
            client=workers,
            progress=progress,
        )
    if out is not None:
        pipeline.write_alignment_folder(done, out, overwrite=overwrite, command=" ".join(sys.argv))
    if as_json:
        print_json(pipeline.json_ready(done.as_json()))
    else:
        print_alignment(done, out=out)
