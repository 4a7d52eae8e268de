"""Work on embedding files: convert, build, check, list."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturbridge.embeddings import (
    build_from_fasta,
    build_from_gmt,
    build_from_terms,
    build_from_text,
    concat_embeddings,
    convert_embedding,
    coverage,
    list_sources,
    write_embedding,
)
from perturbridge.errors import DataError

from ._config import RunConfig
from ._inputs import load_embedding, load_screen
from ._tables import write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from perturbridge.values import GeneEmbedding

__all__ = ["build", "convert", "coverage_report", "coverage_table", "join", "shipped_tables"]


def convert(source: str | Path, out: str | Path) -> dict[str, Any]:
    """Write an embedding file as safetensors; returns sizes, counts and hashes."""
    return dict(convert_embedding(source, out))


def build(  # noqa: PLR0913 one keyword for each source and setting
    out: str | Path,
    *,
    terms: str | Path | None = None,
    gmt: Sequence[str | Path] = (),
    text: str | Path | None = None,
    fasta: str | Path | None = None,
    model: str | Path | None = None,
    gene_map: str | Path | None = None,
    name: str | None = None,
    dims: int = 128,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Build an embedding from a gene-term table, gene sets, texts or protein sequences, and write it.

    What a model has encoded is kept in `OUT.partial` until the whole is written, so that an interrupted build goes on.

    Raises
    ------
    DataError
        Unless exactly one of `terms`, `gmt`, `text` and `fasta` is given, with a model for the last two and for no other.
    """
    given = {"terms": terms, "gmt": gmt or None, "text": text, "fasta": fasta}
    kinds = [kind for kind, value in given.items() if value is not None]
    if len(kinds) != 1:
        problem = f"An embedding is built from one kind of source; {' and '.join(kinds) or 'none'} were given."
        raise DataError(problem, cure="Pass --terms TABLE, --gmt FILE, --text TABLE or --fasta FILE.")
    (kind,) = kinds
    if (model is not None) != (kind in ("text", "fasta")):
        problem = f"--{kind} was given {'with' if model is not None else 'without'} a model."
        raise DataError(problem, cure="Give --model DIR with --text or --fasta, and with those only.")
    if kind != "terms" and gene_map is not None:
        problem = f"A gene map was given with --{kind}, whose genes have names already."
        raise DataError(problem, cure="Use it with --terms only.")
    partial = Path(f"{out}.partial")
    source = Path(gmt[0] if gmt else str(given[kind]))
    title = name or source.stem
    if kind == "terms":
        embedding = build_from_terms(source, gene_map=gene_map, n_dims=dims, name=title)
    elif kind == "gmt":
        embedding = build_from_gmt(gmt, n_dims=dims, name=title)
    else:
        encode = build_from_text if kind == "text" else build_from_fasta
        embedding = encode(source, str(model), name=title, device=device, resume=partial, progress=progress)
    write_embedding(embedding, out)
    if partial.is_dir():
        shutil.rmtree(partial)
    return _built(embedding)


def join(sources: Sequence[str], out: str | Path, *, name: str | None = None) -> dict[str, Any]:
    """Put embeddings side by side, each of length 1, for the genes that all of them know, and write them."""
    embedding = concat_embeddings([load_embedding(source) for source in sources], name=name or "")
    write_embedding(embedding, out)
    return _built(embedding)


def _built(embedding: GeneEmbedding) -> dict[str, Any]:
    return {
        "name": embedding.name,
        "n_genes": len(embedding.genes),
        "n_dims": embedding.n_dims,
        "made_by": embedding.card.made_by,
        "findings": [f"{finding.message} ({finding.count})" for finding in embedding.findings],
    }


def coverage_report(embedding: GeneEmbedding, genes: Sequence[str]) -> dict[str, Any]:
    """Return which of `genes` have a vector, under which name, and which have none and why."""
    table = coverage(embedding, list(genes))
    without = table[table["key"] == ""]
    renamed = table[(table["key"] != "") & (table["key"] != table["gene"])]
    return {
        "name": embedding.name,
        "license": embedding.card.license,
        "source": embedding.card.source,
        "sha256": embedding.card.sha256,
        "n_dims": embedding.n_dims,
        "n_genes": len(embedding.genes),
        "n_asked": len(table),
        "n_covered": len(table) - len(without),
        "missing": dict(zip(without["gene"], without["how"], strict=True)),
        "renamed": dict(zip(renamed["gene"], renamed["key"], strict=True)),
        "findings": [finding.as_json() for finding in embedding.findings],
    }


def coverage_table(
    source: str,
    *,
    screen: str | Path | None = None,
    genes: Sequence[str] = (),
    aliases: str | Path | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Report the coverage of a screen's perturbed genes, or of the genes named, and write the table where asked.

    Raises
    ------
    DataError
        If neither a screen nor a gene is given.
    """
    wanted = list(dict.fromkeys(genes))
    if screen is not None:
        perturbed = load_screen(RunConfig(screen=Path(screen))).perturbations
        wanted += sorted({gene for name in perturbed for gene in name.genes} - set(wanted))
    if not wanted:
        problem = "No genes to check."
        raise DataError(problem, cure="Pass --screen FILE or --gene NAME.")
    embedding = load_embedding(source, aliases=aliases)
    if out is not None:
        table: pd.DataFrame = coverage(embedding, wanted)
        write_table(table, out)
    return coverage_report(embedding, wanted)


def shipped_tables() -> list[dict[str, Any]]:
    """List the tables that ship, with licence and size."""
    return [asdict(entry) for entry in list_sources()]
