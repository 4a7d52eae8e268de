"""Exact nearest neighbours, in blocks, so that memory does not grow with the square of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._kernels import squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["nearest_rows"]

_BLOCK_VALUES = 1 << 24


def nearest_rows(
    queries: NDArray[np.floating], references: NDArray[np.floating], *, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the k rows of `references` with the smallest ‖x − y‖², ties to the lower index.

    Parameters
    ----------
    queries, references
        `(n_queries, n_dims)` and `(n_references, n_dims)`.
    k
        Between 1 and n_references.

    Returns
    -------
    tuple
        Indices, nearest first, and squared distances, both `(n_queries, k)`.
    """
    n_queries, n_references = len(queries), len(references)
    indices = np.empty((n_queries, k), dtype=np.int64)
    distances = np.empty((n_queries, k))
    step = max(1, _BLOCK_VALUES // max(n_references, 1))
    for start in range(0, n_queries, step):
        block = squared_distances(queries[start : start + step], references)
        order = np.argsort(block, axis=1, kind="stable")[:, :k]
        indices[start : start + step] = order
        distances[start : start + step] = np.take_along_axis(block, order, axis=1)
    return indices, distances
