"""Embeddings from what is known about genes: the words of their terms, or the sets they belong to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from perturbridge.errors import EmbeddingError
from perturbridge.values import EmbeddingCard, Finding, GeneAliases, GeneEmbedding

from ._aliases import default_aliases
from ._assemble import id_space
from ._gene_sets import check_signatures, read_gene_map, read_gmt, read_pairs
from ._raw import noticed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["build_from_gmt", "build_from_terms", "described_card"]

_WORD = re.compile(r"[^\W_]+")
# A gene annotated to a root of the Gene Ontology is one of which nothing is known.
_ROOTS = ("biological_process", "molecular_function", "cellular_component")

# A projection this small beside the largest is rounding error.
_NOTHING = 1e-6


def build_from_terms(
    pairs: str | Path | pd.DataFrame,
    *,
    gene_map: str | Path | Mapping[str, str] | None = None,
    n_dims: int = 128,
    seed: int = 0,
    name: str = "terms",
    card: EmbeddingCard | None = None,
    aliases: GeneAliases | Literal["default"] | None = "default",
    allow_signatures: bool = False,
) -> GeneEmbedding:
    """V = U·S of the truncated SVD of [words | terms], two TF-IDF blocks of genes, each row of a block of length 1.

    Words relate genes whose terms differ and speak of the same thing; whole terms keep what the words lose. A word counts
    1 + ln(terms of the gene that have it), so that a gene with many annotations does not drown in its commonest word; a term
    counts once. Both are weighted by 1 + ln((1 + n_genes) / (1 + genes that have it)). Terms of a single gene relate it to no
    other and do not count as terms, only through their words.

    Parameters
    ----------
    pairs
        A table with a gene and a term column (csv, tsv or parquet, or a data frame).
    gene_map
        Gene id ▸ symbol, a dict or a table; needed where the genes are neither symbols, Ensembl nor Entrez ids.
    n_dims
        Length of a vector, less than the number of genes and of words and terms.
    seed
        Starts the iteration that finds the singular vectors; they converge to the same ones for any seed.
    name
        Short name.
    card
        What you know of the table: source, license, date; its non-empty fields are kept.
    aliases
        Brings names up to date, so that the old and the new name of a gene are one row; None leaves them.
    allow_signatures
        Take terms that name responses to perturbations, which are refused otherwise where they are a tenth or more.

    Returns
    -------
    GeneEmbedding
        float32 `(n_genes, n_dims)`, genes sorted; a gene that shares nothing with the dimensions kept has no vector. The largest
        loading of each dimension is positive, so that signs are fixed. The same input gives the same bytes on the same machine.

    Raises
    ------
    EmbeddingError
        If the table cannot be read, most terms are perturbation signatures, or there are too few genes or terms.
    """
    where = str(pairs) if not isinstance(pairs, pd.DataFrame) else "The table of terms"
    table = read_pairs(pairs, where=where)
    table = table[~table["term"].isin(_ROOTS)]
    findings = check_signatures(table["term"].tolist(), allow=allow_signatures, where=where)
    table, named = _current_names(table, gene_map=gene_map, aliases=aliases, where=where)
    recipe = f"build_from_terms: words and terms, TF-IDF, SVD({n_dims}), seed {seed}"
    described = described_card(
        card, name=name, recipe=recipe, files=[] if isinstance(pairs, pd.DataFrame) else [Path(pairs)]
    )
    genes, terms, member = _membership(table)
    features = sp.hstack([_tf_idf(member @ _words(terms)), _tf_idf(member, in_at_least=2)]).tocsr()
    return _reduced(
        features, genes, n_dims=n_dims, seed=seed, card=described, aliases=aliases, findings=findings + named
    )


def build_from_gmt(
    paths: str | Path | Sequence[str | Path],
    *,
    n_dims: int = 128,
    seed: int = 0,
    name: str = "gene_sets",
    card: EmbeddingCard | None = None,
    aliases: GeneAliases | Literal["default"] | None = "default",
    allow_signatures: bool = False,
) -> GeneEmbedding:
    """V = U·S of the truncated SVD of the TF-IDF of set membership: rare sets count more, every gene has length 1 before it.

    Leave out collections of perturbation signatures (MSigDB C2 CGP, the perturbation libraries of Enrichr, LINCS): they are
    lists of genes that answered to a knock-down, so the embedding would hold what is to be predicted. Names that show it are
    refused; names that do not show it cannot be.

    Parameters
    ----------
    paths
        One or more `.gmt` files; Enrichr's `GENE,1.0` is read as `GENE`.
    n_dims, seed, name, card, aliases, allow_signatures
        As in `build_from_terms`.

    Returns
    -------
    GeneEmbedding
        float32 `(n_genes, n_dims)`, genes sorted, signs fixed as in `build_from_terms`.

    Raises
    ------
    EmbeddingError
        If a file cannot be read, a tenth or more of the sets are perturbation signatures, or there are too few genes or sets.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    if not files:
        problem = "No gene-set file was given."
        raise EmbeddingError(problem, cure="Pass one or more .gmt files.")
    tables: list[pd.DataFrame] = []
    findings: tuple[Finding, ...] = ()
    for file in files:
        sets = read_gmt(file)
        findings += check_signatures(sets["term"].tolist(), allow=allow_signatures, where=str(file))
        # One set name in two files is two sets.
        tables.append(sets.assign(term=sets["term"] + "\t" + str(len(tables))))
    table, named = _current_names(
        pd.concat(tables, ignore_index=True), gene_map=None, aliases=aliases, where=str(files[0])
    )
    recipe = f"build_from_gmt: set membership, TF-IDF, SVD({n_dims}), seed {seed}"
    described = described_card(card, name=name, recipe=recipe, files=files)
    genes, _, member = _membership(table)
    return _reduced(
        _tf_idf(member), genes, n_dims=n_dims, seed=seed, card=described, aliases=aliases, findings=findings + named
    )


def _current_names(
    table: pd.DataFrame,
    *,
    gene_map: str | Path | Mapping[str, str] | None,
    aliases: GeneAliases | Literal["default"] | None,
    where: str,
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the pairs under current gene names, and what became of the others."""
    known = default_aliases() if aliases == "default" else aliases or GeneAliases()
    mapping = None if gene_map is None else read_gene_map(gene_map)
    names: dict[str, str] = {}
    unmapped, renamed = [], []
    for gene in table["gene"].unique():
        symbol = gene if mapping is None else mapping.get(gene, "")
        current, _ = known.current(symbol)
        if not symbol or (gene.isdecimal() and mapping is None and not current):
            unmapped.append(gene)
            continue
        names[gene] = current or symbol
        if names[gene] != gene and not gene.isdecimal():
            renamed.append(gene)
    if not names:
        problem = f"{where} has {len(unmapped)} gene ids and none has a symbol, the first is {unmapped[0] if unmapped else ''!r}."
        raise EmbeddingError(problem, cure="Pass gene_map= with these ids and their symbols.")
    renewed = table.assign(gene=table["gene"].map(names)).dropna().drop_duplicates(ignore_index=True)
    return renewed, (
        *noticed("unmapped_genes", "Gene ids without a symbol were left out.", unmapped, warn=True),
        *noticed("renamed_genes", "Old gene names were brought up to date.", renamed),
    )


def described_card(card: EmbeddingCard | None, *, name: str, recipe: str, files: Sequence[Path]) -> EmbeddingCard:
    """Return the card of something built: recipe and inputs with their hashes, and what the caller knows."""
    from dataclasses import asdict, replace

    from ._read import file_hash

    inputs = "".join(f"; {file.name} (sha256 {file_hash(file)})" for file in files)
    made = EmbeddingCard(name=name, made_by=recipe + inputs)
    return replace(made, **{field: value for field, value in asdict(card).items() if value}) if card else made


def _membership(table: pd.DataFrame) -> tuple[list[str], list[str], sp.csr_array]:
    genes, terms = (pd.Categorical(table[column]) for column in ("gene", "term"))
    ones = np.ones(len(table))
    shape = len(genes.categories), len(terms.categories)
    member = sp.csr_array(sp.coo_array((ones, (genes.codes, terms.codes)), shape=shape))
    return genes.categories.tolist(), terms.categories.tolist(), member


def _words(terms: Sequence[str]) -> sp.csr_array:
    """Return which term has which word `(n_terms, n_words)`: runs of letters and digits, single ones too (T cell, vitamin D)."""
    words = [sorted(set(_WORD.findall(term.lower()))) for term in terms]
    column = {word: i for i, word in enumerate(sorted({word for some in words for word in some}))}
    rows = np.repeat(np.arange(len(terms)), [len(some) for some in words])
    columns = np.array([column[word] for some in words for word in some], dtype=np.int64)
    return sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(terms), len(column)))


def _tf_idf(counts: sp.csr_array, *, in_at_least: int = 1) -> sp.csr_array:
    """(1 + ln count) · (1 + ln((1 + n) / (1 + genes that have it))), rows of length 1; `(n_genes, n_features)`."""
    n_genes = counts.shape[0]
    n_having = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = sp.csr_array(counts[:, np.flatnonzero(n_having >= in_at_least)])
    idf = 1 + np.log((1 + n_genes) / (1 + n_having[n_having >= in_at_least]))
    weights = (1 + np.log(kept.data)) * idf[kept.indices]
    row = np.repeat(np.arange(n_genes), np.diff(kept.indptr))
    norms = np.sqrt(np.bincount(row, weights=weights**2, minlength=n_genes))
    return sp.csr_array((weights / norms[row], kept.indices, kept.indptr), shape=kept.shape)


def _reduced(
    features: sp.csr_array,
    genes: list[str],
    *,
    n_dims: int,
    seed: int,
    card: EmbeddingCard,
    aliases: GeneAliases | Literal["default"] | None,
    findings: tuple[Finding, ...],
) -> GeneEmbedding:
    from dataclasses import replace

    if not 1 <= n_dims < min(features.shape):
        problem = f"{n_dims} dimensions are asked of {features.shape[0]} genes with {features.shape[1]} features."
        raise EmbeddingError(problem, cure=f"Ask for 1 to {min(features.shape) - 1} dimensions.")
    vectors = _svd(features, n_dims=n_dims, seed=seed)
    norms = np.linalg.norm(vectors, axis=1)
    seen = (norms > _NOTHING * norms.max()).tolist()
    unseen = [gene for gene, is_seen in zip(genes, seen, strict=True) if not is_seen]
    genes = [gene for gene, is_seen in zip(genes, seen, strict=True) if is_seen]
    message = (
        f"Genes that share nothing with the {n_dims} dimensions were left out: their direction would be rounding error."
    )
    return GeneEmbedding(
        vectors=vectors[seen].astype(np.float32),
        genes=tuple(genes),
        rows=np.arange(len(genes)),
        card=replace(card, id_space=id_space(genes)),
        aliases=default_aliases() if aliases == "default" else aliases or GeneAliases(),
        findings=(*findings, *noticed("unseen_genes", message, unseen, warn=True)),
    )


def _svd(features: sp.csr_array, *, n_dims: int, seed: int) -> NDArray[np.float64]:
    """Return U·S of the largest singular values to machine precision, the largest loading of each positive."""
    from scipy.sparse.linalg import svds

    start = np.random.default_rng(seed).standard_normal(min(features.shape))
    left, values, right = svds(features, k=n_dims, v0=start, solver="arpack")
    order = np.argsort(-values, kind="stable")
    left, values, right = left[:, order], values[order], right[order]
    signs = np.sign(right[np.arange(n_dims), np.abs(right).argmax(axis=1)])
    return np.asarray(left * values * signs, dtype=np.float64)
