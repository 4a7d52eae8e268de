"""From what a reader found to a checked embedding, with everything odd counted and said."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.values import EmbeddingCard, Finding, GeneAliases, GeneEmbedding, ensembl_stem

from ._matrix import as_matrix, first_equal_row, unusable_rows
from ._raw import noticed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ._raw import RawTable

__all__ = ["assemble", "id_space"]

_DATE = re.compile(r"\d{1,2}-[A-Z][a-z]{2}|[A-Z][a-z]{2}-\d{1,2}")


def assemble(raw: RawTable, *, where: str, name: str, sha256: str, aliases: GeneAliases) -> GeneEmbedding:
    """Check names and vectors, leave out the vectors that say nothing, and let equal vectors share a row.

    Raises
    ------
    EmbeddingError
        If the names are not text, differ in number from the vectors or stand twice with different vectors, or if the
        vectors are ragged, damaged or all unusable.
    """
    names, name_findings = _as_text(raw.names, where=where)
    n_vectors = len(raw.vectors)
    rows = np.arange(len(names)) if raw.rows is None else raw.rows
    if raw.rows is None and n_vectors != len(names):
        problem = f"{where} has {len(names)} names for {n_vectors} vectors."
        raise EmbeddingError(problem, cure="Write one name per vector.")
    name_of_row = _a_name_per_row(names, rows, n_vectors)
    matrix, rounded = as_matrix(raw.vectors, name_of_row=name_of_row, where=where)
    unusable, row_findings = unusable_rows(matrix, name_of_row, where=where)
    kept = [i for i, row in enumerate(rows) if not unusable[row]]
    if not kept:
        problem = f"{where} has {len(names)} names and no usable vector: {' '.join(f.message for f in row_findings)}"
        raise EmbeddingError(problem, cure="Check the file.")
    shared = first_equal_row(matrix)[rows]
    genes, gene_rows, double_findings = _unique([names[i] for i in kept], shared[kept], where=where)
    used, compact = np.unique(gene_rows, return_inverse=True)
    vectors = matrix if len(used) == len(matrix) else matrix[used]
    return GeneEmbedding(
        vectors=vectors,
        genes=tuple(genes),
        rows=compact.astype(np.int64),
        card=EmbeddingCard(name=name, id_space=id_space(genes), sha256=sha256),
        aliases=aliases,
        findings=(
            *raw.findings,
            *name_findings,
            *row_findings,
            *double_findings,
            *_precision(rounded=rounded if raw.rounded is None else raw.rounded),
            *_sharing(genes, compact),
            *_odd_names(genes),
        ),
    )


def _as_text(names: Sequence[object], *, where: str) -> tuple[list[str], tuple[Finding, ...]]:
    """Return the names as text without spaces around it; whole numbers, which Entrez ids are, become text."""
    odd = [name for name in names if not isinstance(name, (str, int, np.integer)) or isinstance(name, bool)]
    if odd:
        problem = f"{where} has {len(odd)} names that are not text, the first a {type(odd[0]).__name__}: {str(odd[0])[:40]!r}."
        raise EmbeddingError(problem, cure="Use gene symbols, Ensembl ids or Entrez ids as names.")
    stripped = [str(name).strip() for name in names]
    if "" in stripped:
        problem = f"{where} has {stripped.count('')} empty names, the first for entry {stripped.index('')}."
        raise EmbeddingError(problem, cure="Give every vector a name.")
    padded = [str(name) for name, bare in zip(names, stripped, strict=True) if str(name) != bare]
    return stripped, noticed("padded_names", "Spaces around gene names were taken off.", padded)


def _a_name_per_row(names: Sequence[str], rows: NDArray[np.int64], n_vectors: int) -> list[str]:
    name_of_row = [""] * n_vectors
    for name, row in zip(reversed(names), reversed(rows.tolist()), strict=True):
        name_of_row[row] = name
    return name_of_row


def _unique(
    names: list[str], rows: NDArray[np.int64], *, where: str
) -> tuple[list[str], NDArray[np.int64], tuple[Finding, ...]]:
    row_of: dict[str, int] = {}
    doubled = []
    for name, row in zip(names, rows.tolist(), strict=True):
        if row_of.setdefault(name, row) != row:
            problem = f"{where} has different vectors under the name {name!r} ({len(names) - len(set(names))} repeats in all)."
            raise EmbeddingError(problem, cure="Keep one of them, or name them apart.")
        doubled.append(name)
    repeats = sorted(name for name, n in Counter(doubled).items() if n > 1)
    findings = noticed("repeated_names", "Names that stand twice with one vector were kept once.", repeats)
    return list(row_of), np.array(list(row_of.values()), dtype=np.int64), findings


def _precision(*, rounded: bool) -> tuple[Finding, ...]:
    message = "Numbers with more digits than float32 keeps were rounded to it."
    return (Finding(level="info", code="rounded_to_float32", message=message),) if rounded else ()


def _sharing(genes: Sequence[str], rows: NDArray[np.int64]) -> tuple[Finding, ...]:
    n_names = np.bincount(rows)
    sharing = [gene for gene, row in zip(genes, rows.tolist(), strict=True) if n_names[row] > 1]
    return noticed("shared_vectors", "Names share a vector with another name.", sharing)


def _odd_names(genes: Sequence[str]) -> tuple[Finding, ...]:
    dates = [gene for gene in genes if _DATE.fullmatch(gene)]
    numbers = [gene for gene in genes if gene.isdecimal()]
    return (
        *noticed(
            "excel_dates", "Names are dates, which a spreadsheet makes of gene names such as SEPT1.", dates, warn=True
        ),
        *noticed("numeric_names", "Names are plain numbers, taken for Entrez gene ids.", numbers, warn=True),
    )


def id_space(genes: Sequence[str]) -> str:
    """Return `"ensembl"`, `"symbol"` or `"mixed"`, by how many names are Ensembl gene ids: over 95 %, under 5 %, or between."""
    share = sum(bool(ensembl_stem(gene)) for gene in genes) / max(len(genes), 1)
    return "ensembl" if share > 0.95 else "symbol" if share < 0.05 else "mixed"
