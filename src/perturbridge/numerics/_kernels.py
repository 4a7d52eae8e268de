"""Similarity of feature vectors: distances and kernels between two sets of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["linear_kernel", "median_squared_distance", "rbf_kernel", "squared_distances"]


def squared_distances(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """‖x − y‖² for every row x of `left` and y of `right`, never negative.

    Parameters
    ----------
    left, right
        `(n_left, n_dims)` and `(n_right, n_dims)`.

    Returns
    -------
    NDArray
        `(n_left, n_right)`.
    """
    a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    out = a @ b.T
    out *= -2.0
    out += np.einsum("ij,ij->i", a, a)[:, None]
    out += np.einsum("ij,ij->i", b, b)[None, :]
    return np.maximum(out, 0.0, out=out)


def linear_kernel(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return x · y for every row x of `left` and y of `right`, in float64, `(n_left, n_right)`."""
    return np.asarray(left, dtype=np.float64) @ np.asarray(right, dtype=np.float64).T


def rbf_kernel(left: NDArray[np.floating], right: NDArray[np.floating], *, squared_scale: float) -> NDArray[np.float64]:
    """exp(−‖x − y‖² / 2ℓ²) for every row x of `left` and y of `right`, in [0, 1].

    Parameters
    ----------
    left, right
        `(n_left, n_dims)` and `(n_right, n_dims)`.
    squared_scale
        ℓ², positive, in the unit of a squared distance.

    Returns
    -------
    NDArray
        `(n_left, n_right)`.
    """
    out = squared_distances(left, right)
    out *= -0.5 / squared_scale
    return np.exp(out, out=out)


def median_squared_distance(rows: NDArray[np.floating]) -> float:
    """Return the median of ‖x − y‖² over all pairs of different rows; their mean where the median is 0, and 1 where all rows are equal."""
    n = len(rows)
    if n < 2:
        return 1.0
    pairs = squared_distances(rows, rows)[np.triu_indices(n, k=1)]
    # Equal rows come out as rounding noise, which must not set the scale.
    pairs[pairs < 1e-12 * float(np.max(np.einsum("ij,ij->i", rows, rows)) or 1.0)] = 0.0
    median = float(np.median(pairs))
    return median if median > 0 else float(pairs.mean()) or 1.0
