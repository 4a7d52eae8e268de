"""Principal components of rows that come in stretches, in flat memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import eigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

__all__ = ["Pca", "streaming_pca"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pca:
    """A linear map to principal components.

    Parameters
    ----------
    columns
        Features that are used, sorted `(n_used,)`.
    mean
        Of the used features `(n_used,)`.
    components
        Orthonormal rows `(n_components, n_used)`, by falling variance; the largest loading of each is positive.
    variance
        Along each component `(n_components,)`, in squared units of the features.
    total_variance
        Of all used features.
    n_rows
        Rows it was fitted on.
    """

    columns: NDArray[np.int64]
    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    variance: NDArray[np.float64]
    total_variance: float
    n_rows: int

    def project(self, rows: csr_matrix[Any]) -> NDArray[np.float64]:
        """(x − mean) · componentsᵀ `(n_rows, n_components)`."""
        used = rows[:, self.columns]
        return np.asarray(used @ self.components.T) - self.mean @ self.components.T


def streaming_pca(read: Callable[[], Iterable[csr_matrix[Any]]], *, n_components: int, n_features: int) -> Pca | None:
    """Eigenvectors of the covariance of the `n_features` features of greatest variance, in two passes over the rows.

    The first pass sums x and x², which chooses features; the second sums (x − mean)(x − mean)ᵀ in double precision, so that a large
    mean costs no digits. Memory is that of one stretch and of an `(n_features, n_features)` matrix.

    Parameters
    ----------
    read
        Starts a pass: yields stretches of rows `(n, n_all_features)`, the same at each call.
    n_components
        At most so many; fewer where rows or varying features are fewer.
    n_features
        At most so many; features that do not vary are never used.

    Returns
    -------
    Pca or None
        None where no feature varies.
    """
    n, sums, squares = 0, np.zeros(0), np.zeros(0)
    for rows in read():
        width = rows.shape[1]
        if not n:
            sums, squares = np.zeros(width), np.zeros(width)
        n += rows.shape[0]
        sums += np.bincount(rows.indices, weights=rows.data, minlength=width)
        squares += np.bincount(rows.indices, weights=rows.data**2, minlength=width)
    if n < 2:
        return None
    variance = squares / n - (sums / n) ** 2
    # Below this a difference of sums is rounding, not variance.
    varying = variance > 1e-10 * np.maximum(squares / n, 1e-300)
    order = np.argsort(-np.where(varying, variance, -np.inf), kind="stable")[: min(n_features, int(varying.sum()))]
    if not len(order):
        return None
    columns = np.sort(order)
    mean = sums[columns] / n
    cross = np.zeros((len(columns), len(columns)))
    for rows in read():
        centred = rows[:, columns].toarray() - mean
        cross += centred.T @ centred
    covariance = cross / (n - 1)
    kept = min(n_components, len(columns), n - 1)
    values, vectors = eigh(covariance, subset_by_index=(len(columns) - kept, len(columns) - 1))
    components = vectors.T[::-1].copy()
    largest = components[np.arange(kept), np.abs(components).argmax(axis=1)]
    components *= np.where(largest < 0, -1.0, 1.0)[:, None]
    return Pca(
        columns=columns.astype(np.int64),
        mean=mean,
        components=components,
        variance=np.maximum(values[::-1], 0.0),
        total_variance=float(np.trace(covariance)),
        n_rows=n,
    )
