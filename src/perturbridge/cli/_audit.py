"""`perturbridge audit`: can this latent be trusted before transport?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ._options import Json, Overwrite, Seed, Threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perturbridge.values import AuditReport

__all__ = ["audit"]

CANNOT_PAIR = 3


def audit(
    data: Annotated[
        Path,
        typer.Argument(help="An .h5ad, or a latent in a file of its own (.npy, .csv, .tsv, .parquet; see --labels)."),
    ],
    context: Annotated[
        str | None,
        typer.Option(help="Column of the technical grouping that must not be readable (batch, chip, lane)."),
    ] = None,
    rep: Annotated[
        list[str] | None,
        typer.Option(
            help="Latent to audit: a key of obsm, or a file; may be given again. [default: PCA of the counts]"
        ),
    ] = None,
    make: Annotated[
        list[str] | None,
        typer.Option(
            help="Latent to make of the counts where none is named: PCA, AE, VAE, a design (scvi, scanvi, scidrl, scdisinfact, biolord, "
            "drvi, perturbridge), with penalties after a plus (VAE+mmd, VAE+adversary=3); may be given again. [default: PCA]"
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Table of the cells, for a latent in a file of its own.")] = None,
    sample: Annotated[str | None, typer.Option(help="Column with the biological unit (donor, replicate).")] = None,
    condition: Annotated[
        str | None, typer.Option("--condition", "--perturbation", help="Column with the perturbation labels.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Column with biology to keep (cell type).")] = None,
    control: Annotated[list[str] | None, typer.Option(help="Label of control cells; may be given again.")] = None,
    tolerance: Annotated[float, typer.Option(help="AUC up to which the context counts as unreadable.")] = 0.60,
    retention: Annotated[float, typer.Option(help="Share of the biology a PCA reads that must be kept.")] = 0.90,
    permutations: Annotated[int, typer.Option(help="Shuffles of each exact test.")] = 999,
    max_cells: Annotated[
        int, typer.Option(help="Cells the probes see; exact tests see all that are looked at.")
    ] = 20_000,
    max_cells_seen: Annotated[
        int, typer.Option(help="Cells whose coordinates are looked at; of more so many are drawn.")
    ] = 200_000,
    pairs: Annotated[
        Literal["within", "any"],
        typer.Option(
            help="What transport must be allowed to pair for exit status 0. within: stop (3) on fail; any: also where the design "
            "cannot answer."
        ),
    ] = "within",
    probes: Annotated[bool, typer.Option("--probes", help="Print what every probe reads under every split.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what does not pass, mildest step first.")] = False,
    place: Annotated[str | None, typer.Option(help="Where the counts lie: X, raw/X or layers/NAME.")] = None,
    x_is: Annotated[
        Literal["counts", "log1p"] | None, typer.Option("--x-is", help="What the values are: counts or log1p.")
    ] = None,
    drop_unlabelled: Annotated[
        bool, typer.Option("--drop-unlabelled", help="Leave cells without a label out, and count them.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write audit.json, a page .html, or a folder with everything.")
    ] = None,
    seed: Seed = 0,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say whether a latent can be trusted before transport: is its context readable, is its biology kept?

    Exit status 3 if a latent fails. Where the design cannot answer (underpowered, not_identifiable) that is no pass: transport is then
    held to pairs within a context, and `--pairs any` makes it status 3 too. The status is that of the latents as they are, repaired or not.

    Example: `perturbridge audit screen.h5ad --rep X_pca --context batch --condition perturbation -o audits/a`
    """
    from perturbridge import AuditSettings, pipeline

    from ._audit_show import print_audit
    from ._show import check_output, print_json, progress_bars

    if out is not None and out.suffix in (".json", ".html"):
        check_output(out, overwrite=overwrite)
    elif out is not None:
        pipeline.check_folder(out, overwrite=overwrite)
    settings = AuditSettings(
        leak_tolerance=tolerance,
        retention_floor=retention,
        n_permutations=permutations,
        max_cells=max_cells,
        max_cells_seen=max_cells_seen,
        seed=seed,
    )
    with progress_bars() as progress:
        audited = pipeline.audit_data(
            data,
            context=context,
            rep=tuple(rep or ()),
            labels=labels,
            sample=sample,
            condition=condition,
            state=state,
            control=tuple(control or ()),
            place=place,
            x_is=x_is,
            make=tuple(make or ("PCA",)),
            drop_unlabelled=drop_unlabelled,
            settings=settings,
            progress=progress,
        )
        repairs = pipeline.repair_audited(audited, progress=progress) if repair else None
    if out is not None:
        pipeline.write_audit(audited, out, repairs=repairs, overwrite=overwrite, command=" ".join(sys.argv))
    if as_json:
        print_json(pipeline.audit_json(audited, repairs))
    else:
        print_audit(audited, repairs=repairs, probes=probes, out=out)
    if not _allowed(audited.reports, pairs=pairs):
        raise typer.Exit(CANNOT_PAIR)


def _allowed(reports: Mapping[str, AuditReport], *, pairs: str) -> bool:
    refused = ("nothing",) if pairs == "within" else ("nothing", "within context")
    return all(report.allows not in refused for report in reports.values())
