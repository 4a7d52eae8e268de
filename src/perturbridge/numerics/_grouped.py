"""Sums over the rows of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["group_means"]


def group_means(
    values: NDArray[np.floating], codes: NDArray[np.integer], *, n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """mean_g = Σ_{i in g} x_i / n_g; a group without rows gets the mean of all rows.

    Parameters
    ----------
    values
        `(n_rows, n_columns)`.
    codes
        Group of each row `(n_rows,)`, `0 … n_groups − 1`.
    n_groups
        Number of groups.

    Returns
    -------
    tuple of NDArray
        Means `(n_groups, n_columns)` and numbers of rows `(n_groups,)`.
    """
    counts = np.bincount(codes, minlength=n_groups)
    sums = np.stack([np.bincount(codes, weights=column, minlength=n_groups) for column in values.T], axis=1)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], values.mean(axis=0))
    return means, counts
