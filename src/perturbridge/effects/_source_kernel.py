"""The kernel of one embedding between genes: centre ▸ L2 ▸ linear or RBF ▸ centre in feature space ▸ mean diagonal 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import EmbeddingError
from perturbridge.numerics import l2_normalize, linear_kernel, median_squared_distance, rbf_kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding

__all__ = ["GeneFeatures", "SourceKernel", "require_overlap"]

_SCALE_SAMPLE = 1000


def require_overlap(source: GeneEmbedding, genes: Sequence[str]) -> None:
    """Refuse an embedding that knows none of the perturbed genes.

    Raises
    ------
    EmbeddingError
        With counts and examples of both kinds of name.
    """
    if source.locate(genes).found.any():
        return
    mine, theirs = (", ".join(repr(g) for g in names[:3]) for names in (tuple(genes), source.genes))
    problem = (
        f"Embedding {source.name!r} has a vector for 0 of {len(genes)} perturbed genes: "
        f"they are called {mine}, its {len(source.genes)} names are like {theirs}."
    )
    raise EmbeddingError(problem, cure="Bring both to one kind of gene name, or give the embedding an alias table.")


@dataclass(frozen=True, eq=False, kw_only=True)
class GeneFeatures:
    """Unit vectors of the anchor genes of one embedding.

    Parameters
    ----------
    source
        The embedding.
    rows
        Row of `source.vectors` of each anchor, -1 where it has none `(n_anchors,)`.
    center
        What is subtracted before a vector is scaled to length 1 `(n_dims,)`.
    weights
        Positive weight of each anchor in the mean of the training rows `(n_anchors,)`.
    """

    source: GeneEmbedding
    rows: NDArray[np.int64]
    center: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, source: GeneEmbedding, anchors: Sequence[str], weights: NDArray[np.float64]) -> GeneFeatures:
        """Look the anchors up; the centre is the mean over those that have a vector."""
        rows = source.locate(anchors).rows
        found = source.vectors[rows[rows >= 0]]
        center = found.mean(axis=0, dtype=np.float64) if len(found) else np.zeros(source.n_dims)
        return cls(source=source, rows=rows, center=center, weights=weights)

    @cached_property
    def has_vector(self) -> NDArray[np.bool_]:
        """True for anchors with a vector `(n_anchors,)`."""
        return np.asarray(self.rows >= 0)

    def unit(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(x − centre) / ‖x − centre‖ for rows of the embedding `(n_rows, n_dims)`."""
        return l2_normalize(self.source.vectors[rows].astype(np.float64) - self.center)

    @cached_property
    def anchors(self) -> NDArray[np.float64]:
        """Unit vectors of the anchors that have one `(n_present, n_dims)`."""
        return self.unit(self.rows[self.has_vector])

    @cached_property
    def median(self) -> float:
        """Median squared distance between anchors, over an even sample of at most 1,000 of them."""
        step = max(1, -(-len(self.anchors) // _SCALE_SAMPLE))
        return median_squared_distance(self.anchors[::step])


@dataclass(frozen=True, eq=False, kw_only=True)
class SourceKernel:
    """k̃(g, h) = (φ(g) − φ̄)·(φ(h) − φ̄) / scale, with φ̄ the weighted mean over the anchors; 0 where a gene has no vector.

    So a gene without a vector is predicted as the weighted mean of the training rows.

    Parameters
    ----------
    features
        Vectors of the anchors.
    kind
        `"linear"`: φ(g)·φ(h) = z(g)·z(h). `"rbf"`: exp(−‖z(g) − z(h)‖² / 2ℓ²).
    bandwidth
        ℓ² as a multiple of the median squared distance between anchors; 0 for the linear kernel.
    """

    features: GeneFeatures
    kind: str
    bandwidth: float

    def _raw(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.kind == "linear":
            return linear_kernel(left, right)
        return rbf_kernel(left, right, squared_scale=self.bandwidth * self.features.median)

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        """Weights of the anchors that have a vector, sum 1 `(n_present,)`."""
        present = self.features.weights[self.features.has_vector]
        return np.asarray(present / present.sum())

    @cached_property
    def _centering(self) -> tuple[NDArray[np.float64], float, float]:
        """Mean of each anchor's column, mean of all, and mean diagonal after centring (1 where nothing is left)."""
        raw, shares = self._raw(self.features.anchors, self.features.anchors), self._shares
        columns = shares @ raw
        overall = float(columns @ shares)
        diagonal = float(np.mean(np.diag(raw) - 2 * columns + overall))
        return columns, overall, diagonal if diagonal > 1e-12 * float(np.mean(np.diag(raw))) else 1.0

    def between(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """k̃ between genes, given by their row of the embedding (-1: no vector), and all anchors `(n_rows, n_anchors)`."""
        found, present = rows >= 0, self.features.has_vector
        out = np.zeros((len(rows), len(present)))
        if found.any() and present.any():
            columns, overall, scale = self._centering
            raw = self._raw(self.features.unit(rows[found]), self.features.anchors)
            raw += (overall - raw @ self._shares)[:, None] - columns
            raw /= scale
            out[np.ix_(found, present)] = raw
        return out

    def anchor_kernel(self) -> NDArray[np.float64]:
        """k̃ between anchors, symmetric `(n_anchors, n_anchors)`."""
        kernel = self.between(self.features.rows)
        return 0.5 * (kernel + kernel.T)
