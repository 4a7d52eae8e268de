"""Embeddings made from measurements: of the training rows themselves, of another screen, or of control cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import numpy as np

from perturbridge.errors import DataError, FitError
from perturbridge.values import EmbeddingCard, GeneEmbedding

from ._shrinkage import leading_directions
from ._target_gene import hide_targets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import Effects

__all__ = ["COEXPRESSION", "SourceMaker", "TrainingResponses", "coexpression_embedding", "response_embedding"]

_MOST_DIMS = 128
# How the card of a co-expression embedding says what made it.
COEXPRESSION = "coexpression_embedding"


class SourceMaker(Protocol):
    """A source that is computed inside each fit, from training rows alone."""

    @property
    def name(self) -> str:
        """Short name for tables."""

    def make(self, effects: Effects) -> GeneEmbedding:
        """Compute the embedding from training rows."""


class TrainingResponses:
    """How a gene responds to the training perturbations: x(g) = (Δ_pg)_p, reduced to its principal components over genes.

    Genes that respond alike often act alike. The vector of a gene exists as soon as it is measured, perturbed or not. The response of a
    gene to its own perturbation is left out, so the row that is left out in leave-one-out does not enter its own similarity to others.

    Parameters
    ----------
    n_dims
        Components, fewer where there are fewer training rows.

    Raises
    ------
    FitError
        If `n_dims` is below 1.
    """

    def __init__(self, n_dims: int = 64) -> None:
        if n_dims < 1:
            problem = f"n_dims is {n_dims}."
            raise FitError(problem, cure="Use at least 1 dimension.")
        self.n_dims = int(n_dims)

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "training_responses"

    @classmethod
    def of_card(cls, card: EmbeddingCard) -> TrainingResponses | None:
        """Return what made the embedding with this card, None if it was not made here."""
        recipe = re.fullmatch(r"TrainingResponses\(n_dims=(\d+)\)", card.made_by)
        return cls(int(recipe[1])) if recipe else None

    def make(self, effects: Effects) -> GeneEmbedding:
        """Return a vector for every measured gene."""
        delta = hide_targets(effects)
        centered = delta - delta.mean(axis=1, keepdims=True)
        card = EmbeddingCard(
            name=self.name,
            description="Δ over the training perturbations",
            made_by=f"TrainingResponses(n_dims={self.n_dims})",
            responses_of=effects.fingerprint,
        )
        return _embedding(centered.T, effects.genes, self.n_dims, card=card)


def response_embedding(effects: Effects, *, name: str, n_dims: int = _MOST_DIMS, split_hash: str = "") -> GeneEmbedding:
    """Return Δ of the perturbed genes of another screen as vectors: the strongest source known, and one that has to be declared.

    Parameters
    ----------
    effects
        The other screen (another cell line, another modality). Its single-gene rows become vectors, reduced to principal components.
    name
        Short name, such as the cell line.
    n_dims
        Components, fewer where there are fewer rows.
    split_hash
        If the rows are the training rows of a split, its hash.

    Raises
    ------
    DataError
        If there is no single-gene row.
    """
    rows = [i for i, perturbation in enumerate(effects.perturbations) if perturbation.is_single]
    if not rows:
        problem = f"None of the {len(effects.perturbations)} perturbations of {name!r} is of a single gene."
        raise DataError(problem, cure="Pass a screen with single-gene perturbations.")
    genes = tuple(effects.perturbations[i].genes[0] for i in rows)
    return _embedding(
        hide_targets(effects)[rows],
        genes,
        n_dims,
        card=EmbeddingCard(
            name=name,
            description=f"Δ of {len(rows)} perturbed genes over {len(effects.genes)} measured genes",
            made_by=f"response_embedding(n_dims={n_dims})",
            responses_of=effects.fingerprint or name,
            responses_split=split_hash,
        ),
    )


def coexpression_embedding(
    cells: ArrayLike,
    genes: tuple[str, ...],
    *,
    name: str = "coexpression",
    n_dims: int = 64,
    contexts: ArrayLike | None = None,
) -> GeneEmbedding:
    """Return how genes vary together over control cells: principal components of standardized log1p expression, by gene.

    Parameters
    ----------
    cells
        log1p-CP10k of control cells `(n_cells, n_genes)`. No perturbed cell belongs here: its response would leak.
    genes
        Measured genes.
    name
        Short name for tables.
    n_dims
        Components, fewer where there are fewer cells.
    contexts
        Technical group of each cell, whose mean is taken off, so that genes do not look alike for differing between batches
        `(n_cells,)`.

    Raises
    ------
    DataError
        If the shape does not fit, or there are fewer than 3 cells.
    """
    values = np.array(cells, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(genes) or len(values) < 3:
        problem = f"Control cells have shape {values.shape} for {len(genes)} genes."
        raise DataError(problem, cure="Pass at least 3 cells, cells by genes.")
    for context in np.unique(np.zeros(len(values)) if contexts is None else np.asarray(contexts)):
        rows = slice(None) if contexts is None else np.asarray(contexts) == context
        values[rows] -= values[rows].mean(axis=0)
    spread = values.std(axis=0)
    varies = spread > 1e-12
    if not varies.any():
        problem = f"None of the {len(genes)} genes varies over {len(values)} control cells."
        raise DataError(problem, cure="Pass log1p expression of single cells, not of their mean.")
    standard = values[:, varies] / spread[varies]
    kept = tuple(gene for gene, moves in zip(genes, varies, strict=True) if moves)
    card = EmbeddingCard(
        name=name,
        description=f"Co-expression over {len(values)} control cells",
        made_by=f"{COEXPRESSION}(n_dims={n_dims})",
    )
    return _embedding(standard.T, kept, n_dims, card=card)


def _embedding(rows: NDArray[np.float64], genes: tuple[str, ...], n_dims: int, *, card: EmbeddingCard) -> GeneEmbedding:
    """Project rows on their principal directions; at least one dimension."""
    centered = rows - rows.mean(axis=0)
    if len(rows) <= rows.shape[1]:
        scores = centered @ leading_directions(centered, n_dims).T
    else:
        left = leading_directions(centered.T, n_dims)
        scores = left.T * np.linalg.norm(left @ centered, axis=1)
    if not scores.shape[1]:
        scores = np.zeros((len(rows), 1))
    return GeneEmbedding(vectors=scores.astype(np.float32), genes=genes, rows=np.arange(len(genes)), card=card)
