"""Names of the measured genes: symbols where there are any, stable ids beside them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge.errors import DataError
from perturbridge.values import Finding

from ._presets import find_columns

if TYPE_CHECKING:
    from perturbridge.screens.files._container import Container

__all__ = ["GeneTable", "is_ensembl", "read_genes", "without_version"]

# Anchored: ENSA is a gene symbol, and ENST/ENSP are not genes.
_ENSEMBL = re.compile(r"(ENS[A-Z]{0,6}G\d{11})(\.\d+)?")
_SYMBOLS = (
    "gene_name",
    "gene_symbol",
    "symbol",
    "gene_symbols",
    "gene_names",
    "feature_name",
    "gene_short_name",
    "symbols",
)
_IDS = ("gene_ids", "gene_id", "ensembl_id", "ensembl_gene_id", "ensembl", "ensembl_ids", "feature_id", "id")
_MOSTLY = 0.5


@dataclass(frozen=True, kw_only=True)
class GeneTable:
    """Names and ids of the columns of a matrix.

    Parameters
    ----------
    names
        Unique `(n_genes,)`.
    ids
        Stable ids without version `(n_genes,)`, or empty.
    explanation
        Where the names come from, one sentence.
    findings
        What was noticed.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    explanation: str
    findings: tuple[Finding, ...] = ()

    def by_id(self) -> dict[str, str]:
        """Return id ▸ name."""
        return dict(zip(self.ids, self.names, strict=True)) if self.ids else {}


def is_ensembl(name: str) -> bool:
    """True for an Ensembl gene id, with or without version."""
    return _ENSEMBL.fullmatch(name) is not None


def without_version(name: str) -> str:
    """Return an Ensembl gene id without its version; other names as they are."""
    match = _ENSEMBL.fullmatch(name)
    return match.group(1) if match else name


def read_genes(container: Container, place: str, *, column: str | None = None) -> GeneTable:
    """Return the gene names that belong to a place.

    Parameters
    ----------
    container, place
        The file and the matrix in it.
    column
        Column of the gene table to use; default: its index, or a column of symbols where the index holds ids.

    Raises
    ------
    DataError
        If the column does not exist, a name is empty, or names stand more than once.
    """
    columns = container.gene_columns(place)
    index = container.gene_names(place)
    if column is not None:
        return _from_column(container, place, column=column, index=index)
    if _mostly_ids(index):
        # A column may be called symbols and hold ids, and the other way round: what it holds decides.
        for column_of_symbols in find_columns(columns, (*_SYMBOLS, *_IDS)):
            symbols = container.gene_names(place, column_of_symbols)
            if not _mostly_ids(symbols) and sum(map(bool, symbols)) > _MOSTLY * len(symbols):
                return _from_symbols(index, symbols, column=column_of_symbols)
        names = _unique(index, "the index of the gene table", columns)
        return GeneTable(
            names=names, ids=_as_ids(index), explanation="Genes: ids from the index; the file has no column of symbols."
        )
    names = _unique(index, "the index of the gene table", columns)
    for candidate in find_columns(columns, _IDS):
        ids = container.gene_names(place, candidate)
        if _mostly_ids(ids) and len(set(ids)) == len(ids):
            return GeneTable(
                names=names, ids=_as_ids(ids), explanation=f"Genes: names from the index, ids from {candidate!r}."
            )
    return GeneTable(names=names, ids=(), explanation="Genes: names from the index.")


def _from_column(container: Container, place: str, *, column: str, index: tuple[str, ...]) -> GeneTable:
    columns = container.gene_columns(place)
    if column not in columns:
        problem = f"The gene table of {place} has no column {column!r}."
        raise DataError(
            problem, cure=f"Use one of {', '.join(repr(c) for c in columns) or 'none: it has an index only'}."
        )
    names = _unique(container.gene_names(place, column), f"column {column!r} of the gene table", columns)
    return GeneTable(
        names=names,
        ids=_as_ids(index) if _mostly_ids(index) else (),
        explanation=f"Genes: names from {column!r}, as asked.",
    )


def _from_symbols(index: tuple[str, ...], symbols: tuple[str, ...], *, column: str) -> GeneTable:
    """Symbols where they are unique; a gene whose symbol is empty or shared keeps its id."""
    _unique(index, "the index of the gene table", ())
    seen = Counter(symbol for symbol in symbols if symbol)
    taken = set(index)
    keep = [seen[symbol] == 1 and symbol not in taken for symbol in symbols]
    names = tuple(symbol if kept else gene for symbol, gene, kept in zip(symbols, index, keep, strict=True))
    ids = _as_ids(index) if sum(map(is_ensembl, index)) > _MOSTLY * len(index) else ()
    explanation = f"Genes: symbols from {column!r}, since the index holds ids."
    if all(keep):
        return GeneTable(names=names, ids=ids, explanation=explanation)
    first = keep.index(False)
    finding = Finding(
        level="warning",
        code="symbols_not_unique",
        message=f"{keep.count(False)} genes keep their id, because their symbol in {column!r} is empty or shared.",
        count=keep.count(False),
        example=f"{index[first]} ({symbols[first] or 'no symbol'})",
    )
    return GeneTable(names=names, ids=ids, explanation=explanation, findings=(finding,))


def _mostly_ids(names: tuple[str, ...]) -> bool:
    """True if more than half are Ensembl ids or bare numbers."""
    return sum(is_ensembl(name) or name.isdigit() for name in names) > _MOSTLY * len(names)


def _as_ids(index: tuple[str, ...]) -> tuple[str, ...]:
    ids = tuple(without_version(gene) for gene in index)
    return ids if len(set(ids)) == len(ids) else index


def _unique(names: tuple[str, ...], where: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    counts = Counter(names)
    other = (
        f"another column of the gene table ({', '.join(repr(c) for c in columns)})"
        if columns
        else "a column of unique names"
    )
    if "" in counts:
        problem = f"{counts['']} genes have no name in {where}, the first in position {names.index('')}."
        raise DataError(problem, cure=f"Name them, or choose {other} with genes=.")
    doubled = [name for name, n in counts.items() if n > 1]
    if doubled:
        problem = f"{len(doubled)} gene names stand more than once in {where}, the first is {doubled[0]!r} ({counts[doubled[0]]} times)."
        raise DataError(problem, cure=f"Choose {other} with genes=, or make the names unique.")
    return names
