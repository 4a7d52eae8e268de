"""Nearest neighbours of some cells, and how mixed the contexts around each of them are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["chi_square_acceptance", "context_mass", "nearest_cells", "neighbor_weights"]

_BLOCK_VALUES = 1 << 22


def nearest_cells(
    z: NDArray[np.floating], queries: NDArray[np.int64], *, k: int, among: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the k cells with the smallest ‖z_i − z_j‖ for each query cell i, itself left out, by exact search in blocks.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`; centred here, so that an offset costs no precision.
    queries
        Cells asked for `(n_queries,)`.
    k
        Fewer than the cells searched.
    among
        Cells that may be neighbours, sorted; default all `(n_among,)`.

    Returns
    -------
    tuple
        Cells, nearest first, and distances, both `(n_queries, k)`.
    """
    pool = np.arange(len(z)) if among is None else among
    centred = np.asarray(z, dtype=np.float64) - np.asarray(z, dtype=np.float64).mean(axis=0)
    left = centred[queries]
    # Single precision finds the candidates; their distances are computed again as differences.
    right = centred[pool].astype(np.float32)
    half = 0.5 * np.einsum("ij,ij->i", right, right)
    place = np.minimum(np.searchsorted(pool, queries), len(pool) - 1)
    own = pool[place] == queries
    neighbors, distances = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
    step = max(1, _BLOCK_VALUES // len(pool))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        block = half[None, :] - left[rows].astype(np.float32) @ right.T
        mine = np.flatnonzero(own[rows])
        block[mine, place[rows][mine]] = np.inf
        found = np.sort(np.argpartition(block, k - 1, axis=1)[:, :k], axis=1)
        gaps = left[rows][:, None, :] - centred[pool[found]]
        squared = np.einsum("ijk,ijk->ij", gaps, gaps)
        order = np.argsort(squared, axis=1, kind="stable")
        neighbors[rows] = np.take_along_axis(pool[found], order, axis=1)
        distances[rows] = np.sqrt(np.take_along_axis(squared, order, axis=1))
    return neighbors, distances


def neighbor_weights(
    distances: NDArray[np.float64], counted: NDArray[np.bool_], *, perplexity: float
) -> NDArray[np.float64]:
    """w_ij ∝ exp(−β_i d_ij), with β_i such that exp(entropy of w_i) = perplexity; by bisection, as in LISI (Korsunsky et al. 2019).

    Parameters
    ----------
    distances
        Euclidean `(n_queries, k)`.
    counted
        False for entries that have no weight, such as the cell itself `(n_queries, k)`.
    perplexity
        Effective number of neighbours, below k.

    Returns
    -------
    NDArray
        `(n_queries, k)`, rows sum to 1.
    """
    n, target = len(distances), np.log(perplexity)
    nearest = np.where(counted, distances, np.inf).min(axis=1, keepdims=True)
    gaps = np.where(counted, distances - nearest, np.inf)
    finite = np.where(counted, gaps, 0.0)
    beta, low, high = np.ones((n, 1)), np.zeros((n, 1)), np.full((n, 1), np.inf)
    weights = np.zeros_like(gaps)
    for _ in range(50):
        weights = np.exp(-beta * gaps)
        total = weights.sum(axis=1, keepdims=True)
        entropy = np.log(total) + beta * (weights * finite).sum(axis=1, keepdims=True) / total
        weights /= total
        wide = entropy > target
        if (np.abs(entropy - target) < 1e-6).all():
            break
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), 2 * beta, 0.5 * (low + high))
    return weights


def context_mass(
    neighbor_codes: NDArray[np.integer], weights: NDArray[np.float64], *, n_contexts: int
) -> NDArray[np.float64]:
    """p_ic = Σ_j w_ij 1[c_j = c] `(n_queries, n_contexts)`; LISI of a cell is 1 / Σ_c p_ic², from 1 to n_contexts."""
    n = len(neighbor_codes)
    cells = neighbor_codes.astype(np.int64) + n_contexts * np.arange(n)[:, None]
    flat = np.bincount(cells.ravel(), weights=weights.ravel(), minlength=n * n_contexts)
    return np.asarray(flat.reshape(n, n_contexts), dtype=np.float64)


def chi_square_acceptance(
    neighbor_codes: NDArray[np.integer], shares: NDArray[np.float64], *, level: float
) -> NDArray[np.bool_]:
    """Σ_c (n_ic − k s_c)² / (k s_c) against χ² with n_contexts − 1 degrees of freedom, as in kBET (Büttner et al. 2019).

    Parameters
    ----------
    neighbor_codes
        Context of each neighbour `(n_queries, k)`.
    shares
        Expected share of each context `(n_contexts,)`, positive.
    level
        Cells with a smaller p-value are rejected.

    Returns
    -------
    NDArray
        True where the neighbourhood is accepted as mixed `(n_queries,)`.
    """
    k = neighbor_codes.shape[1]
    counts = context_mass(neighbor_codes, np.ones(neighbor_codes.shape), n_contexts=len(shares))
    statistic = ((counts - k * shares) ** 2 / (k * shares)).sum(axis=1)
    return np.asarray(chdtrc(len(shares) - 1, statistic) >= level)
