"""`perturbridge embed`: embeddings as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Aliases, Json, Overwrite, Threads

__all__ = ["embed_app"]


def embed_app() -> typer.Typer:
    """Return the commands about embeddings."""
    app = typer.Typer(
        no_args_is_help=True, help="Convert, build and check gene embeddings.", rich_markup_mode="markdown"
    )
    app.command()(convert)
    app.command()(coverage)
    app.command()(build)
    app.command()(join)
    app.command("list")(list_tables)
    return app


def convert(
    source: Annotated[Path, typer.Argument(help="GenePT pickle, .pt, .npz, .csv, .tsv, .parquet or .safetensors.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write (.safetensors).")],
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Read an embedding once, safely, and write it as a compact table that loads in a blink.

    Example: `perturbridge embed convert GenePT_gene_embedding_ada_text.pickle -o genept.safetensors`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json
    from ._tables import print_record

    check_output(out, overwrite=overwrite)
    record = pipeline.convert(source, out)
    if as_json:
        print_json(record)
    else:
        print_record(f"Written to {out}", record)


def coverage(
    source: Annotated[str, typer.Argument(help="An embedding file, or a table that ships.")],
    screen: Annotated[
        Path | None, typer.Option("--screen", "-s", help="Check the perturbed genes of this screen.")
    ] = None,
    gene: Annotated[list[str] | None, typer.Option(help="Check this gene; may be given again.")] = None,
    aliases: Aliases = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table (.csv).")] = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say which genes have a vector, under which name, and which have none.

    Example: `perturbridge embed coverage GenePT.pickle -s screen.h5ad`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json
    from ._tables import print_coverage

    if out is not None:
        check_output(out, overwrite=overwrite)
    table = pipeline.coverage_table(source, screen=screen, genes=gene or (), aliases=aliases, out=out)
    if as_json:
        print_json(table)
    else:
        print_coverage(table)


def build(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write (.safetensors).")],
    terms: Annotated[
        Path | None, typer.Option(help="Table with a gene column and a term column (csv, tsv, parquet).")
    ] = None,
    gmt: Annotated[list[Path] | None, typer.Option(help="Gene-set file; may be given again.")] = None,
    text: Annotated[
        Path | None, typer.Option(help="Table with a gene and a text column (csv, tsv, parquet), or GenePT's JSON.")
    ] = None,
    fasta: Annotated[Path | None, typer.Option(help="Protein sequences (.fa, .fa.gz).")] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of the model: sentence-transformers for --text, ESM2 or alike for --fasta."),
    ] = None,
    gene_map: Annotated[Path | None, typer.Option(help="Table from the gene ids of --terms to symbols.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the source. [default: the file's]")] = None,
    dims: Annotated[int, typer.Option(min=2, help="Dimensions of the vectors, for --terms and --gmt.")] = 128,
    device: Annotated[str, typer.Option(help="Where a model runs: auto, cpu or cuda.")] = "auto",
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Build an embedding from what is known about genes: the words of their terms, the sets they are in, texts, or proteins.

    A build with a model that is interrupted goes on where it stopped when the same command is given again.

    Example: `perturbridge embed build --fasta proteins.fa --model esm2_t33_650M -o esm2.safetensors`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json, progress_bars
    from ._tables import print_record

    check_output(out, overwrite=overwrite)
    with progress_bars() as tell:

        def progress(done: int, total: int) -> None:
            tell("encoding", done, total)

        record = pipeline.build(
            out,
            terms=terms,
            gmt=gmt or (),
            text=text,
            fasta=fasta,
            model=model,
            gene_map=gene_map,
            name=name,
            dims=dims,
            device=device,
            progress=progress,
        )
    if as_json:
        print_json(record)
    else:
        print_record(f"Written to {out}", record)


def join(
    sources: Annotated[list[str], typer.Argument(help="Two or more embedding files, or tables that ship.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write (.safetensors).")],
    name: Annotated[str | None, typer.Option(help="Name of the source. [default: the names joined by +]")] = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Put embeddings side by side, each of length 1, for the genes that all of them know.

    A run with several `-e` does better: it weighs the sources and keeps genes that one of them lacks.

    Example: `perturbridge embed join go_words pathways -o both.safetensors`
    """
    from perturbridge import pipeline

    from ._show import check_output, print_json
    from ._tables import print_record

    check_output(out, overwrite=overwrite)
    record = pipeline.join(sources, out, name=name)
    if as_json:
        print_json(record)
    else:
        print_record(f"Written to {out}", record)


def list_tables(as_json: Json = False) -> None:
    """List the tables that ship.

    Example: `perturbridge embed list`
    """
    from perturbridge import pipeline

    from ._show import print_json, print_table

    tables = pipeline.shipped_tables()
    if as_json:
        print_json(tables)
        return
    heads = ("name", "#genes", "#dims", "license", "description")
    rows = [(t["name"], str(t["n_genes"]), str(t["n_dims"]), t["license"], t["description"]) for t in tables]
    print_table("Tables that ship", heads, rows)
