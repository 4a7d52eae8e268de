"""Which genes an embedding knows, under which name, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from perturbridge.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.values import GeneEmbedding

__all__ = ["coverage", "summarize_coverage"]


def coverage(embedding: GeneEmbedding, genes: Sequence[str]) -> pd.DataFrame:
    """Return for each gene the embedding's own name for it and how that was found.

    Parameters
    ----------
    embedding
        With the alias table that it was read with.
    genes
        Names as the screen has them `(n_asked,)`; a gene asked for twice has two rows.

    Returns
    -------
    pd.DataFrame
        `(n_asked, 3)`: `gene`; `key`, empty where there is no vector; `how`, one of `"exact"`, `"ensembl"`, `"entrez"`,
        `"previous"`, `"alias"`, `"excel_date"`, `"ambiguous"`, `"missing"`.

    Raises
    ------
    EmbeddingError
        If one text is passed in place of a list of names.
    """
    if isinstance(genes, str):
        problem = f"The genes are one text, {genes[:40]!r}."
        raise EmbeddingError(problem, cure="Pass a list of names.")
    located = embedding.locate(genes)
    columns = {"gene": list(genes), "key": located.keys, "how": located.how}
    return pd.DataFrame({title: pd.Series(list(column), dtype=object) for title, column in columns.items()})


def summarize_coverage(table: pd.DataFrame) -> str:
    """Return one sentence: how many genes have a vector, how many under another name, and which have none and why."""
    found = table["key"] != ""
    parts = [f"{int(found.sum())} of {len(table)} genes have a vector"]
    renamed = table[found & (table["key"] != table["gene"])]
    if len(renamed):
        first = renamed.iloc[0]
        parts.append(f"{len(renamed)} of them under another name ({first['gene']} as {first['key']})")
    for how in ("ambiguous", "missing"):
        without = table[~found & (table["how"] == how)]["gene"]
        if len(without):
            some = ", ".join(without[:5]) + (", …" if len(without) > 5 else "")
            parts.append(f"{len(without)} {'may mean several genes' if how == 'ambiguous' else 'have none'} ({some})")
    return "; ".join(parts) + "."
