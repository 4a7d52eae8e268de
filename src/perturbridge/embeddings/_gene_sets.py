"""Gene-term pairs from tables and gene-set files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from perturbridge.errors import EmbeddingError

from ._raw import noticed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.values import Finding

__all__ = ["check_signatures", "read_gene_map", "read_gmt", "read_pairs", "read_plain_table"]

_GENE_COLUMNS = ("gene", "symbol", "gene_symbol", "gene_name", "gene_id", "entrez", "entrez_id", "ensembl_id", "id")
_TERM_COLUMNS = ("term", "term_name", "go_term", "go_name", "set", "pathway", "name", "description")
# A weight as Enrichr writes it behind each gene.
_WEIGHT = re.compile(r",-?\d+(\.\d+)?([eE]-?\d+)?$")
# Names of responses tell what was done to the cells or which way the genes went.
_SIGNATURE = re.compile(
    r"\b(sh ?rna|crispr[ai]?|knock ?(down|out|in)|(kd|ko|oe) (human|mouse)|overexpression|perturb\w*|signature|gse ?\d+)\b"
    r"|\b(up|dn|down)$|\btargets of\b"
)
_MOST = 0.1


def read_pairs(pairs: str | Path | pd.DataFrame, *, where: str) -> pd.DataFrame:
    """Return the columns `gene` and `term` as text, rows with neither empty, each pair once.

    Raises
    ------
    EmbeddingError
        If the table cannot be read or does not show which column is which.
    """
    table = pairs if isinstance(pairs, pd.DataFrame) else read_plain_table(Path(pairs))
    titles = [str(title).strip().lower() for title in table.columns]
    gene = next((titles.index(title) for title in _GENE_COLUMNS if title in titles), None)
    term = next((titles.index(t) for t in _TERM_COLUMNS if t in titles and titles.index(t) != gene), None)
    if len(titles) == 2 and gene is not None and term is None:
        term = 1 - gene
    if gene is None or term is None:
        problem = f"{where} has the columns {', '.join(map(repr, titles[:8]))}; which holds genes and which terms is not plain."
        raise EmbeddingError(problem, cure="Call them 'gene' and 'term'.")
    taken = table.iloc[:, [gene, term]].dropna().astype(str).set_axis(["gene", "term"], axis=1)
    stripped = taken.apply(lambda column: column.str.strip())
    filled = (stripped["gene"] != "") & (stripped["term"] != "")
    unique: pd.DataFrame = stripped[filled].drop_duplicates(ignore_index=True)
    return unique


def read_plain_table(file: Path) -> pd.DataFrame:
    """Return a csv, tsv or parquet table, text as text.

    Raises
    ------
    EmbeddingError
        If it cannot be read.
    """
    try:
        with file.open("rb") as handle:
            if handle.read(4) == b"PAR1":
                return pd.read_parquet(file)
        with file.open(encoding="utf-8-sig") as text:
            separator = "\t" if "\t" in text.readline() else ","
        return pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        problem = f"{file} is not a table that can be read: {str(error).splitlines()[0]}."
        raise EmbeddingError(problem, cure="Pass csv, tsv or parquet with a gene and a term column.") from error


def read_gmt(path: str | Path) -> pd.DataFrame:
    """Return the columns `gene` and `term` of a gene-set file: one line per set, name, description and genes between tabs.

    A weight behind a gene (`TP53,1.0`) is taken off; a set without genes gives no row.

    Raises
    ------
    EmbeddingError
        If the file is not text, a line has no tab, a set has no name, or one name stands for two sets.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{file} cannot be read as text: {error}."
        raise EmbeddingError(problem, cure="Pass a .gmt file.") from error
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line.split("\t")]
        if not line.strip():
            continue
        if len(fields) < 2 or not fields[0] or fields[0] in seen:
            why = "has no tab" if len(fields) < 2 else "has no set name" if not fields[0] else "repeats a set name"
            problem = f"{file} line {number} {why}: {line[:50]!r}."
            raise EmbeddingError(problem, cure="A .gmt line is: set name, description, genes, all between tabs.")
        seen.add(fields[0])
        pairs += [(gene, fields[0]) for gene in (_WEIGHT.sub("", field) for field in fields[2:]) if gene]
    if not pairs:
        problem = f"{file} has {len(seen)} sets and no genes."
        raise EmbeddingError(problem, cure="Pass a .gmt file with genes behind each set.")
    return pd.DataFrame(pairs, columns=["gene", "term"]).drop_duplicates(ignore_index=True)


def check_signatures(terms: Sequence[str], *, allow: bool, where: str) -> tuple[Finding, ...]:
    """Refuse a collection of perturbation responses; a few such terms among others are a finding.

    Raises
    ------
    EmbeddingError
        If a tenth or more of the terms are named like responses and `allow` is false.
    """
    unique = sorted(set(terms))
    found = [term for term in unique if _SIGNATURE.search(re.sub(r"[_\W]+", " ", term).strip().lower())]
    if not found:
        return ()
    if len(found) >= _MOST * len(unique) and not allow:
        problem = f"{where} has {len(found)} of {len(unique)} terms named like responses to perturbations, the first is {found[0]!r}."
        cure = (
            "Leave such collections out (MSigDB C2 CGP and the like), since they hold what is to be predicted; "
            "in Python, allow_signatures=True takes them."
        )
        raise EmbeddingError(problem, cure=cure)
    message = "Terms are named like responses to perturbations; an embedding of them may hold what is to be predicted."
    return noticed("signature_terms", message, found, warn=True)


def read_gene_map(source: str | Path | Mapping[str, str]) -> dict[str, str]:
    """Return gene id ▸ symbol from a dict, or from a table with a symbol and an id column.

    Raises
    ------
    EmbeddingError
        If the table has not two columns that can be told apart, or gives one id to two symbols.
    """
    if not isinstance(source, (str, Path)):
        return dict(source)
    table = read_plain_table(Path(source)).dropna().astype(str)
    titles = [str(title).strip().lower() for title in table.columns]
    symbol = next((i for i, title in enumerate(titles) if "symbol" in title or title in ("gene", "name")), None)
    others = [i for i, title in enumerate(titles) if i != symbol and ("id" in title or "entrez" in title)]
    if symbol is None or len(others) != 1:
        problem = f"{source} has the columns {', '.join(map(repr, titles[:8]))}, not one of symbols and one of ids."
        raise EmbeddingError(problem, cure="Call them 'symbol' and 'id'.")
    known: dict[str, str] = {}
    for key, value in zip(table.iloc[:, others[0]].str.strip(), table.iloc[:, symbol].str.strip(), strict=True):
        if key and known.setdefault(key, value) != value:
            problem = f"{source} gives id {key!r} to {known[key]!r} and to {value!r}."
            raise EmbeddingError(problem, cure="Keep one of them.")
    return known
