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


def _span_of(indices: NDArray[Any], data: NDArray[Any], first: int, n: int) -> tuple[int, int, bool]:  # noqa: PLR0917
    """Positions of `n` genes from `first` on among rising indices, and whether a value beside them is fractional."""
    low = int(np.searchsorted(indices, first))
    high = int(np.searchsorted(indices, first + n))
    fractional = False
    for i in range(len(data)):
        fractional |= (i < low or i >= high) and data[i] != np.rint(data[i])
    return low, high, fractional


span_of = compiled(_span_of)


def _add_rows(  # noqa: PLR0913, PLR0917
    rows: NDArray[np.int64],
    groups: NDArray[np.int32],
    indptr: NDArray[np.int64],
    indices: NDArray[Any],
    data: NDArray[Any],
    target_sum: float,
    first_gene: int,
    n_genes: int,
    scales: tuple[float, float],
    sums: NDArray[np.int64],
    squares: NDArray[np.int64],
    detected: NDArray[np.int32],
    flags: NDArray[np.uint8],
) -> None:
    """Add x and x² of each row to its group, in fixed point, x = log1p(count · target_sum / total) or, for `target_sum` 0, the value.

    Of the genes only those from `first_gene` on for which `sums` has a column are added; totals and flags are those of all genes.
    Small counts repeat within a cell, so each is taken through log1p once per cell and looked up afterwards (`keys` says for
    which cell an entry of the table was made). Rows come sorted by group, which keeps the sums of a group in cache.
    """
    logged = target_sum == 0.0
    keys = np.full(_TABLE, -1, np.int64)
    table = np.empty(_TABLE, np.int64)
    table_of_squares = np.empty(_TABLE, np.int64)
    for row in rows:
        row_indices = indices[indptr[row] : indptr[row + 1]]
        row_data = data[indptr[row] : indptr[row + 1]]
        total = 1.0 if logged else row_total(row_data)
        if total <= 0.0:
            flags[row] |= EMPTY
            continue
        factor = 1.0 if logged else target_sum / total
        group_sums = sums[groups[row]]
        group_squares = squares[groups[row]]
        group_detected = detected[groups[row]]
        low, high = 0, len(row_data)
        if sums.shape[1] < n_genes:
            low, high, outside = span_of(row_indices, row_data, first_gene, sums.shape[1])
            flags[row] |= FRACTIONAL * np.uint8(outside and not logged)
        for i in range(low, high):
            count = np.float64(row_data[i])
            column = np.uint32(row_indices[i] - first_gene)
            in_table = 0.0 <= count < _TABLE
            key = np.uint32(count) if in_table else np.uint32(0)
            small = in_table and key == count
            if small and keys[key] == row:
                fixed = table[key]
                fixed_square = table_of_squares[key]
            else:
                x = count if logged else log1p(count * factor)
                fixed = np.int64(np.rint(x * scales[0]))
                fixed_square = np.int64(np.rint(x * x * scales[1]))
                if small:
                    keys[key] = row
                    table[key] = fixed
                    table_of_squares[key] = fixed_square
                elif not logged and count != np.rint(count):
                    flags[row] |= FRACTIONAL
            group_sums[column] += fixed
            group_squares[column] += fixed_square
            group_detected[column] += np.int32(count != 0.0)


add_rows = compiled(_add_rows)
