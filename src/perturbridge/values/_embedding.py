"""A gene embedding: vectors, the names that point at them, and the card that says where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import array_of, freeze, unique_names
from perturbridge.errors import EmbeddingError

from ._aliases import GeneAliases, ensembl_stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ._findings import Finding

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
    responses_of
        The perturbation effects it was computed from (their fingerprint, or a name), empty where it was made without any. Such a table
        may hold the answers to the questions a model is asked: refused for the same effects, declared for others.
    responses_split
        Hash of the split whose training rows alone it was computed from, empty where it saw all rows.
    """

    name: str
    description: str = ""
    source: str = ""
    license: str = ""
    date: str = ""
    id_space: str = "symbol"
    made_by: str = ""
    sha256: str = ""
    responses_of: str = ""
    responses_split: str = ""


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
        `"exact"`, `"ensembl"`, `"entrez"`, `"previous"`, `"alias"`, `"excel_date"`, `"ambiguous"` or `"missing"`.
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
        Old and alternative names, used when a gene is asked for under a name that is not a key; empty: exact matches
        and Ensembl ids with another version only.
    findings
        What was noticed while it was read or made.
    """

    vectors: NDArray[np.float32]
    genes: tuple[str, ...]
    rows: NDArray[np.int64]
    card: EmbeddingCard
    aliases: GeneAliases = field(default_factory=GeneAliases)
    findings: tuple[Finding, ...] = ()

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

    def __deepcopy__(self, memo: dict[int, object]) -> GeneEmbedding:
        # Frozen to the last array, and large: estimators that copy their settings share it.
        return self

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
    def _key_of_current(self) -> dict[str, tuple[str, str]]:
        """Current symbol ▸ key and how, over the keys that are not current symbols themselves."""
        resolved = ((key, self.aliases.current(key)) for key in self.genes)
        return self._unique_keys(
            (current, key, how) for key, (current, how) in resolved if current and current not in self._row_of
        )

    @cached_property
    def _key_of_stem(self) -> dict[str, tuple[str, str]]:
        """Ensembl id without version ▸ key and how."""
        return self._unique_keys((stem, key, "ensembl") for key in self.genes if (stem := ensembl_stem(key)))

    def _unique_keys(self, candidates: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
        """Keep for each target the surest key; equally sure keys with different vectors leave it ambiguous, with no key."""
        best: dict[str, tuple[str, str]] = {}
        for target, key, how in candidates:
            old, old_how = best.get(target, (key, how))
            surer = _SUREST_FIRST.index(how) - _SUREST_FIRST.index(old_how)
            if surer < 0:
                best[target] = key, how
            elif surer == 0:
                same = bool(old) and self._row_of[old] == self._row_of[key]
                best[target] = old if same else "", how
        return best

    def _find(self, gene: str) -> tuple[str, str]:
        if gene in self._row_of:
            return gene, "exact"
        stem = ensembl_stem(gene)
        if stem in self._key_of_stem:
            return _said(*self._key_of_stem[stem])
        current, how = self.aliases.current(gene)
        if current in self._row_of:
            return current, how
        if current in self._key_of_current:
            key, key_how = self._key_of_current[current]
            return _said(key, key_how if how == "exact" else how)
        return "", "ambiguous" if how == "ambiguous" else "missing"

    def locate(self, genes: Sequence[str]) -> Located:
        """Find each gene: exact key ▸ Ensembl id of any version ▸ current symbol ▸ unique previous ▸ unique alias ▸ spreadsheet date.

        A name that may mean several genes, or a gene whose equally sure keys have different vectors, stays without a vector.
        """
        found = [self._find(gene) for gene in genes]
        rows = np.array([self._row_of[key] if key else -1 for key, _ in found], dtype=np.int64)
        return Located(rows, tuple(key for key, _ in found), tuple(how for _, how in found))


_SUREST_FIRST = ("exact", "ensembl", "entrez", "previous", "alias", "excel_date")


def _said(key: str, how: str) -> tuple[str, str]:
    return key, how if key else "ambiguous"
