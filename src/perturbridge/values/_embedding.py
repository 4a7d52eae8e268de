"""A gene embedding: vectors, the names that point at them, and the card that says where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import array_of, freeze, unique_names
from perturbridge.errors import EmbeddingError

from ._aliases import GeneAliases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["EmbeddingCard", "GeneEmbedding", "Located"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingCard:
    """Where an embedding comes from; unknown text fields are empty, never guessed.

    Parameters
    ----------
    name
        Short name, used in tables and file names.
    description, source, license, date
        What it is, who made it (with address), under which licence, and the date of the knowledge in it (ISO).
    id_space
        `"symbol"`, `"ensembl"` or `"mixed"`.
    made_by
        The command or recipe.
    sha256
        Of the file it was read from.
    """

    name: str
    description: str = ""
    source: str = ""
    license: str = ""
    date: str = ""
    id_space: str = "symbol"
    made_by: str = ""
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class Located:
    """Where each asked gene lies in an embedding.

    Parameters
    ----------
    rows
        Row of `vectors` for each gene `(n_asked,)`, -1 where there is none.
    keys
        The embedding's own name for it, empty where there is none.
    how
        `"exact"`, `"ensembl"`, `"approved"`, `"previous"`, `"alias"`, `"ambiguous"` or `"missing"`.
    """

    rows: NDArray[np.int64]
    keys: tuple[str, ...]
    how: tuple[str, ...]

    @property
    def found(self) -> NDArray[np.bool_]:
        """True where a gene has a vector `(n_asked,)`."""
        return np.asarray(self.rows >= 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class GeneEmbedding:
    """Vectors of genes; several names may share one vector.

    Parameters
    ----------
    vectors
        `(n_vectors, n_dims)`, float32, finite, as read (not normalized).
    genes
        Unique names `(n_genes,)`.
    rows
        For each name its row of `vectors` `(n_genes,)`.
    card
        Where it comes from.
    aliases
        Old and alternative names, used when a gene is asked for under a name that is not a key; empty: exact matches only.
    """

    vectors: NDArray[np.float32]
    genes: tuple[str, ...]
    rows: NDArray[np.int64]
    card: EmbeddingCard
    aliases: GeneAliases = field(default_factory=GeneAliases)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(
            self,
            "vectors",
            array_of(f"embedding {self.card.name!r}", self.vectors, shape=(None, None), dtype=np.float32),
        )
        set_(self, "genes", unique_names(f"embedding {self.card.name!r}", self.genes))
        rows = np.asarray(self.rows, dtype=np.int64)
        if rows.shape != (len(self.genes),) or (rows.size and (rows.min() < 0 or rows.max() >= len(self.vectors))):
            problem = f"Embedding {self.card.name!r} has {len(self.genes)} names and rows of shape {rows.shape} for {len(self.vectors)} vectors."
            raise EmbeddingError(problem, cure="Give each name the row of one vector.")
        if not self.genes or self.vectors.shape[1] == 0:
            problem = (
                f"Embedding {self.card.name!r} is empty: {len(self.genes)} names, {self.vectors.shape[1]} dimensions."
            )
            raise EmbeddingError(problem, cure="Check the file.")
        set_(self, "rows", freeze(rows))

    @property
    def name(self) -> str:
        """Short name from the card."""
        return self.card.name

    @property
    def n_dims(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return dict(zip(self.genes, self.rows.tolist(), strict=True))

    @cached_property
    def _key_of_current(self) -> dict[str, str]:
        """Current symbol ▸ key, for keys that are old names of exactly one gene; two keys for one gene cancel unless they share a vector."""
        keys: dict[str, str] = {}
        dropped: set[str] = set()
        for key in self.genes:
            current, _ = self.aliases.current(key)
            if not current or current in self._row_of:
                continue
            if current in keys and self._row_of[keys[current]] != self._row_of[key]:
                dropped.add(current)
            keys.setdefault(current, key)
        return {current: key for current, key in keys.items() if current not in dropped}

    def _find(self, gene: str) -> tuple[str, str]:
        if gene in self._row_of:
            return gene, "exact"
        current, how = self.aliases.current(gene)
        if current in self._row_of:
            return current, how
        if current and current in self._key_of_current:
            return self._key_of_current[current], "previous" if how == "exact" else how
        return "", "ambiguous" if how == "ambiguous" else "missing"

    def locate(self, genes: Sequence[str]) -> Located:
        """Find each gene: exact key ▸ current symbol ▸ unique previous ▸ unique alias; an ambiguous name stays without a vector."""
        found = [self._find(gene) for gene in genes]
        rows = np.array([self._row_of[key] if key else -1 for key, _ in found], dtype=np.int64)
        return Located(rows, tuple(key for key, _ in found), tuple(how for _, how in found))
