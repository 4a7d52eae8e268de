"""Several embeddings side by side as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.numerics import l2_normalize
from perturbridge.values import EmbeddingCard, GeneEmbedding

from ._raw import noticed

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["concat_embeddings"]


def concat_embeddings(embeddings: Sequence[GeneEmbedding], *, name: str = "") -> GeneEmbedding:
    """[e₁/‖e₁‖, e₂/‖e₂‖, …]: unit vectors side by side, for the genes that every source has.

    A gene that one source lacks is left out and counted: zeros in its place would claim that the source knows it to be average.
    To keep such genes, give the sources to the model one by one; it masks what is missing and weighs them by their use.

    Parameters
    ----------
    embeddings
        Two or more. The genes are the names of the first, looked up in the others with their alias tables.
    name
        Short name; default: the names joined by `+`.

    Returns
    -------
    GeneEmbedding
        float32 `(n_genes, Σ n_dims)`, every source of length 1, with the aliases of the first.

    Raises
    ------
    EmbeddingError
        If there are fewer than two sources, two have one name, or no gene is in all of them.
    """
    names = [embedding.name for embedding in embeddings]
    if len(embeddings) < 2 or len(set(names)) < len(names):
        problem = f"{len(embeddings)} embeddings are to be joined: {', '.join(map(repr, names)) or 'none'}."
        raise EmbeddingError(problem, cure="Pass two or more with different names.")
    first = embeddings[0]
    located = [embedding.locate(first.genes) for embedding in embeddings]
    shared = np.logical_and.reduce([place.found for place in located])
    if not shared.any():
        problem = (
            f"No gene is in all of {', '.join(map(repr, names))}; they begin with {[e.genes[0] for e in embeddings]}."
        )
        raise EmbeddingError(problem, cure="Check species and identifiers, or read them with an alias table.")
    blocks = [
        l2_normalize(embedding.vectors)[place.rows[shared]].astype(np.float32)
        for embedding, place in zip(embeddings, located, strict=True)
    ]
    genes = tuple(gene for gene, keep in zip(first.genes, shared.tolist(), strict=True) if keep)
    dropped = [gene for gene, keep in zip(first.genes, shared.tolist(), strict=True) if not keep]
    return GeneEmbedding(
        vectors=np.concatenate(blocks, axis=1),
        genes=genes,
        rows=np.arange(len(genes)),
        card=_joined_card(embeddings, name=name or "+".join(names)),
        aliases=first.aliases,
        findings=(
            *(found for embedding in embeddings for found in embedding.findings),
            *noticed(
                "not_in_all", f"Genes of {first.name!r} that another source lacks were left out.", dropped, warn=True
            ),
        ),
    )


def _joined_card(embeddings: Sequence[GeneEmbedding], *, name: str) -> EmbeddingCard:
    cards = [embedding.card for embedding in embeddings]

    def joined(field: str) -> str:
        return "; ".join(f"{card.name}: {getattr(card, field) or 'unknown'}" for card in cards)

    return EmbeddingCard(
        name=name,
        description="Unit vectors side by side: " + ", ".join(card.name for card in cards),
        source=joined("source"),
        license=joined("license"),
        date=max((card.date for card in cards), default=""),
        id_space=cards[0].id_space,
        made_by="concat_embeddings of " + ", ".join(f"{card.name} (sha256 {card.sha256 or 'none'})" for card in cards),
        responses_of="; ".join(card.responses_of for card in cards if card.responses_of),
    )
