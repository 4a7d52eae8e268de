"""Work on embedding files: convert, build, check, list."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturbridge.embeddings import (
    build_from_gmt,
    build_from_terms,
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
    from collections.abc import Sequence

    import pandas as pd

    from perturbridge.values import GeneEmbedding

__all__ = ["build", "convert", "coverage_report", "coverage_table", "shipped_tables"]


def convert(source: str | Path, out: str | Path) -> dict[str, Any]:
    """Write an embedding file as safetensors; returns sizes, counts and hashes."""
    return dict(convert_embedding(source, out))


def build(
    out: str | Path,
    *,
    terms: str | Path | None = None,
    gmt: Sequence[str | Path] = (),
    gene_map: str | Path | None = None,
    name: str | None = None,
    dims: int = 128,
) -> dict[str, Any]:
    """Build an embedding from a gene-term table or from gene sets, and write it.

    Raises
    ------
    DataError
        Unless exactly one of `terms` and `gmt` is given.
    """
    if (terms is None) == (not gmt):
        problem = f"An embedding is built from terms or from gene sets; {'both were' if gmt else 'neither was'} given."
        raise DataError(problem, cure="Pass --terms TABLE or --gmt FILE.")
    if gmt and gene_map is not None:
        problem = "A gene map was given for gene sets, which hold symbols already."
        raise DataError(problem, cure="Use it with --terms only.")
    source = Path(terms if terms is not None else gmt[0])
    embedding = (
        build_from_terms(source, gene_map=gene_map, n_dims=dims, name=name or source.stem)
        if terms is not None
        else build_from_gmt(gmt, n_dims=dims, name=name or source.stem)
    )
    write_embedding(embedding, out)
    return {
        "name": embedding.name,
        "n_genes": len(embedding.genes),
        "n_dims": embedding.n_dims,
        "made_by": embedding.card.made_by,
        "findings": [finding.message for finding in embedding.findings],
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
