"""Rows of a feature matrix: normalizing them and joining those of several genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["l2_normalize", "sum_rows"]


def l2_normalize(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """x_i ▸ x_i / ‖x_i‖; a row of zeros stays zero.

    Parameters
    ----------
    matrix
        `(n_rows, n_dims)`.

    Returns
    -------
    NDArray
        float64, same shape, rows of unit length.
    """
    rows = np.asarray(matrix, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)


def sum_rows(matrix: NDArray[np.floating], groups: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Sum the rows of each group.

    Parameters
    ----------
    matrix
        `(n_rows, n_dims)`.
    groups
        Row indices of each group `(n_groups,)`; an empty group sums to zero.

    Returns
    -------
    NDArray
        float64 `(n_groups, n_dims)`.
    """
    out = np.zeros((len(groups), matrix.shape[1]))
    for i, rows in enumerate(groups):
        out[i] = np.asarray(matrix[rows], dtype=np.float64).sum(axis=0)
    return out
