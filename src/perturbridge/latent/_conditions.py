"""From a gene embedding to what is injected into the decoder for each perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import EmbeddingError, FitError
from perturbridge.values import CONTROL, PerturbationName

from ._fitted import Conditions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding, Screen

__all__ = ["make_conditions", "vectors_of"]


def make_conditions(screen: Screen, embedding: GeneEmbedding | None, *, wanted: bool) -> Conditions | None:
    """Vectors of the perturbations of a screen, the control's zero first; None where nothing is injected.

    Raises
    ------
    FitError
        If an injection has no embedding, or an embedding no injection.
    EmbeddingError
        If a perturbed gene has no vector.
    """
    if wanted != (embedding is not None):
        has, lacks = ("an injection", "no embedding") if wanted else ("an embedding", "no injection")
        problem = f"The model was given {has} and {lacks}."
        raise FitError(problem, cure="Pass LatentModel(injection=…) and fit(embedding=…) together, or neither.")
    if embedding is None:
        return None
    table = vectors_of(screen.perturbations, embedding)
    names = (str(CONTROL), *(str(name) for name in screen.perturbations))
    return Conditions(names=names, table=np.concatenate([np.zeros_like(table[:1]), table]))


def vectors_of(perturbations: Sequence[PerturbationName], embedding: GeneEmbedding) -> NDArray[np.float32]:
    """Σ over the genes of a perturbation of their vectors, each of unit length times √n_dims `(n_perturbations, n_dims)`.

    Raises
    ------
    EmbeddingError
        If a gene has no vector.
    """
    genes = sorted({gene for name in perturbations for gene in name.genes})
    located = embedding.locate(genes)
    lacking = [gene for gene, found in zip(genes, located.found, strict=True) if not found]
    if lacking:
        problem = f"{len(lacking)} of {len(genes)} perturbed genes have no vector in {embedding.name!r}, the first is {lacking[0]!r}."
        raise EmbeddingError(
            problem, cure="Leave those perturbations out of the fit, or use an embedding that has them."
        )
    vectors = embedding.vectors[located.rows].astype(np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors *= np.sqrt(vectors.shape[1]) / np.where(length > 0, length, 1)
    place = {gene: i for i, gene in enumerate(genes)}
    rows = [vectors[[place[gene] for gene in name.genes]].sum(axis=0) for name in perturbations]
    return np.asarray(rows, dtype=np.float32).reshape(len(perturbations), vectors.shape[1])
