"""The compiled loop of the pseudo-bulk; imported only when cells are summed, since the compiler takes a moment to load."""

from __future__ import annotations

from math import log1p
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.numerics import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EMPTY", "FRACTIONAL", "add_rows"]

FRACTIONAL = 1
EMPTY = 2

_TABLE = 256


def _row_total(data: NDArray[Any]) -> float:
    """Sum in four interleaved parts: the order is fixed by the row alone, and the additions need not wait for one another."""
    a = b = c = d = 0.0
    whole = len(data) // 4 * 4
    i = 0
    while i < whole:
        a += data[i]
        b += data[i + 1]
        c += data[i + 2]
        d += data[i + 3]
        i += 4
    while i < len(data):
        a += data[i]
        i += 1
    return (a + b) + (c + d)


row_total = compiled(_row_total)


def _add_rows(  # noqa: PLR0913, PLR0917
    rows: NDArray[np.int64],
    groups: NDArray[np.int32],
    indptr: NDArray[np.int64],
    indices: NDArray[Any],
    data: NDArray[Any],
    target_sum: float,
    scales: tuple[float, float],
    sums: NDArray[np.int64],
    squares: NDArray[np.int64],
    detected: NDArray[np.int32],
    flags: NDArray[np.uint8],
) -> None:
    """Add x and x² of each row to its group, in fixed point, x = log1p(count · target_sum / total) or, for `target_sum` 0, the value.

    Small counts repeat within a cell, so each is taken through log1p once per cell and looked up afterwards (`keys` says for
    which cell an entry of the table was made). Rows come sorted by group, which keeps the sums of a group in cache.
    """
    logged = target_sum == 0.0
    sum_scale, square_scale = scales
    keys = np.full(_TABLE, -1, np.int64)
    table = np.empty(_TABLE, np.int64)
    table_of_squares = np.empty(_TABLE, np.int64)
    for row in rows:
        row_indices = indices[indptr[row] : indptr[row + 1]]
        row_data = data[indptr[row] : indptr[row + 1]]
        factor = 1.0
        if not logged:
            total = row_total(row_data)
            if total <= 0.0:
                flags[row] |= EMPTY
                continue
            factor = target_sum / total
        group_sums = sums[groups[row]]
        group_squares = squares[groups[row]]
        group_detected = detected[groups[row]]
        for i in range(len(row_data)):
            count = np.float64(row_data[i])
            gene = np.uint32(row_indices[i])
            in_table = 0.0 <= count < _TABLE
            key = np.uint32(count) if in_table else np.uint32(0)
            small = in_table and key == count
            if small and keys[key] == row:
                fixed = table[key]
                fixed_square = table_of_squares[key]
            else:
                x = count if logged else log1p(count * factor)
                fixed = np.int64(np.rint(x * sum_scale))
                fixed_square = np.int64(np.rint(x * x * square_scale))
                if small:
                    keys[key] = row
                    table[key] = fixed
                    table_of_squares[key] = fixed_square
                elif not logged and count != np.rint(count):
                    flags[row] |= FRACTIONAL
            group_sums[gene] += fixed
            group_squares[gene] += fixed_square
            group_detected[gene] += np.int32(count != 0.0)


add_rows = compiled(_add_rows)
