"""Genes as feature vectors: every embedding centred, scaled to unit length, centred on the training rows, and put side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.numerics import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding

__all__ = ["GeneSpace", "require_overlap"]


def require_overlap(sources: Sequence[GeneEmbedding], genes: Sequence[str]) -> None:
    """Refuse an embedding that knows none of the perturbed genes.

    Raises
    ------
    EmbeddingError
        With counts and examples of both kinds of name.
    """
    for source in sources:
        if not source.locate(genes).found.any():
            mine, theirs = (", ".join(repr(g) for g in names[:3]) for names in (tuple(genes), source.genes))
            problem = f"Embedding {source.name!r} has a vector for 0 of {len(genes)} perturbed genes: they are called {mine}, its names are like {theirs}."
            raise EmbeddingError(problem, cure="Bring both to one kind of gene name, or give it an alias table.")


@dataclass(frozen=True, eq=False, kw_only=True)
class GeneSpace:
    """x_s(g) = (u(g) − ū) / √scale, with u(g) = (e(g) − centre) / ‖e(g) − centre‖; 0 where source s has no vector of g.

    ū is the mean over the training rows, so that a gene without a vector is where their mean effect is. The kernel between genes is
    Σ_s share_s · x_s(g)·x_s(h), each part with mean diagonal 1 over the training genes. Where lengths say something of effects, u keeps
    them instead, cut at that of the longest training gene, so that no gene is predicted beyond all others.

    Parameters
    ----------
    sources
        Embeddings.
    centers, middles
        centre and ū of each source `(n_source_dims,)`.
    lengths
        Of the longest training gene where u keeps lengths, 0 where it is a unit vector, for each source.
    scales
        Mean ‖u − ū‖² over training genes.
    shares
        Weight of each source, not negative, sum 1.
    """

    sources: tuple[GeneEmbedding, ...]
    centers: tuple[NDArray[np.float64], ...]
    middles: tuple[NDArray[np.float64], ...]
    lengths: tuple[float, ...]
    scales: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(
        cls,
        sources: Sequence[GeneEmbedding],
        genes: Sequence[str],
        weights: NDArray[np.floating],
        *,
        keep_lengths: Sequence[bool],
    ) -> GeneSpace:
        """Centre on training genes; a source without a vector for any of them says nothing.

        Parameters
        ----------
        sources
            Embeddings.
        genes
            Targeted by the training rows.
        weights
            Of each gene in the mean of the rows `(n_targeted,)`.
        keep_lengths
            For each source, whether u keeps lengths.
        """
        centers, middles, lengths, scales = [], [], [], []
        for source, keep in zip(sources, keep_lengths, strict=True):
            rows = source.locate(genes).rows
            here = rows >= 0
            vectors = source.vectors[rows[here]].astype(np.float64)
            center = vectors.mean(axis=0) if here.any() else np.zeros(source.n_dims)
            length = float(np.linalg.norm(vectors - center, axis=1).max(initial=0.0)) if keep else 0.0
            unit = _directed(vectors - center, length)
            middle = np.average(unit, axis=0, weights=weights[here]) if here.any() else center
            scale = float(((unit - middle) ** 2).sum(axis=1).mean()) if here.any() else 1.0
            centers.append(center)
            middles.append(middle)
            lengths.append(length)
            scales.append(scale if scale > 1e-12 else 1.0)
        n = len(sources)
        return cls(
            sources=tuple(sources),
            centers=tuple(centers),
            middles=tuple(middles),
            lengths=tuple(lengths),
            scales=tuple(scales),
            shares=(1.0 / n,) * n,
        )

    def with_shares(self, shares: Sequence[float]) -> GeneSpace:
        """Return the same space with other weights of its sources."""
        return replace(self, shares=tuple(float(share) for share in shares))

    def found(self, genes: Sequence[str]) -> NDArray[np.bool_]:
        """True where a source has a vector `(n_sources, n_asked)`."""
        return np.stack([source.locate(genes).found for source in self.sources])

    def directions(self, genes: Sequence[str]) -> list[NDArray[np.float64]]:
        """Unit vector of each gene, for each source `(n_asked, n_source_dims)`; 0 where there is no vector."""
        return [l2_normalize(vectors) for vectors in self._centred(genes)]

    def _centred(self, genes: Sequence[str]) -> list[NDArray[np.float64]]:
        out = []
        for source, center in zip(self.sources, self.centers, strict=True):
            rows = source.locate(genes).rows
            vectors = np.zeros((len(rows), source.n_dims))
            vectors[rows >= 0] = source.vectors[rows[rows >= 0]].astype(np.float64) - center
            out.append(vectors)
        return out

    def blocks(self, genes: Sequence[str]) -> list[NDArray[np.float64]]:
        """x_s of each gene, for each source `(n_asked, n_source_dims)`."""
        each = zip(self._centred(genes), self.lengths, self.middles, self.scales, self.found(genes), strict=True)
        return [
            np.where(here[:, None], _directed(vectors, length) - middle, 0.0) / np.sqrt(scale)
            for vectors, length, middle, scale, here in each
        ]

    def features(self, genes: Sequence[str]) -> NDArray[np.float64]:
        """√share_s · x_s side by side `(n_asked, n_all_dims)`; the kernel is their inner product."""
        return np.concatenate(
            [np.sqrt(share) * block for share, block in zip(self.shares, self.blocks(genes), strict=True)], axis=1
        )


def _directed(vectors: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Unit vectors, or with a length the vectors themselves, none of them longer."""
    if length <= 0:
        return l2_normalize(vectors)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * np.minimum(1.0, length / np.where(norms > 0, norms, 1.0)))
