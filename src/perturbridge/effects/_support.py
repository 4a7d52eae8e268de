"""How far a gene lies from everything the model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._source_kernel import GeneFeatures

__all__ = ["nearest_distance", "reach_of"]

# Share of the training genes whose own nearest neighbour is within reach.
_WITHIN = 0.99
_FEWEST = 19
_GENES_AT_ONCE = 1024


def nearest_distance(features: GeneFeatures, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 − largest cosine of the centred vector with that of a training gene; infinite where there is no vector `(n_rows,)`."""
    out = np.full(len(rows), np.inf)
    found = np.flatnonzero(rows >= 0)
    if features.has_vector.any():
        for start in range(0, len(found), _GENES_AT_ONCE):
            part = found[start : start + _GENES_AT_ONCE]
            out[part] = 1.0 - (features.unit(rows[part]) @ features.anchors.T).max(axis=1)
    return out


def reach_of(features: GeneFeatures) -> float:
    """Distance to the nearest other training gene that 99 % of training genes do not exceed.

    A gene like the training genes lies beyond with probability at most 0.01 + 1 / (n + 1). Infinite for fewer than 19 of them, where
    that would be more than one in twenty.
    """
    vectors, n = features.anchors, len(features.anchors)
    if n < _FEWEST:
        return float("inf")
    nearest = np.empty(n)
    for start in range(0, n, _GENES_AT_ONCE):
        cosine = vectors[start : start + _GENES_AT_ONCE] @ vectors.T
        cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -np.inf
        nearest[start : start + _GENES_AT_ONCE] = 1.0 - cosine.max(axis=1)
    return float(np.quantile(nearest, _WITHIN, method="higher"))
