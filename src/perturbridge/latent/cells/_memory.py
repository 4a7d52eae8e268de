"""Cells of a screen in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._table import RowTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from numpy.typing import NDArray

    from perturbridge.values import CountSource, RowChunk

    from ._batch import SparseRows
    from ._table import GeneMap

__all__ = ["MemoryReader", "chunks", "load_rows"]

ROWS_PER_READ = 8192
# Rows between two that are wanted, beyond which reading them costs more than another read.
WIDEST_GAP = 256


class MemoryReader:
    """Rows of a table, asked for by their row in the screen.

    Parameters
    ----------
    table
        The cells that were loaded.
    rows
        Their rows in the screen, ascending.
    """

    def __init__(self, table: RowTable, rows: NDArray[np.int64]) -> None:
        self.table, self._rows = table, rows

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Return these cells, in this order."""
        place = np.searchsorted(self._rows, rows)
        if not np.array_equal(self._rows.take(place, mode="clip"), rows):
            message = "a row was asked for that is not held"
            raise IndexError(message)
        return self.table.take(place)


def chunks(source: CountSource, rows: NDArray[np.int64]) -> Iterator[tuple[RowChunk, NDArray[np.int64]]]:
    """Read ascending rows a stretch at a time, wide gaps left out; give each stretch with the positions in it that were asked for."""
    gaps = np.append(np.flatnonzero(np.diff(rows) > WIDEST_GAP) + 1, len(rows))
    first = 0
    while first < len(rows):
        low = int(rows[first])
        last = int(min(np.searchsorted(rows, low + ROWS_PER_READ), gaps[np.searchsorted(gaps, first, side="right")]))
        high = int(rows[last - 1]) + 1
        yield source.read_rows(low, high), rows[first:last] - low
        first = last


def load_rows(source: CountSource, rows: NDArray[np.int64], *, genes: GeneMap, device: torch.device) -> MemoryReader:
    """Read ascending rows of a source into memory, or onto a device."""
    parts = []
    for chunk, wanted in chunks(source, rows):
        indptr, column, value = genes.select(chunk)
        if len(wanted) != chunk.n_rows:
            kept = np.zeros(chunk.n_rows, dtype=bool)
            kept[wanted] = True
            lengths = np.diff(indptr)
            each = np.repeat(kept, lengths)
            indptr = np.concatenate([[0], np.cumsum(lengths[wanted])])
            column, value = column[each], value[each]
        parts.append((indptr, column, value))
    if not parts:
        parts.append((np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)))
    return MemoryReader(RowTable(parts, n_genes=genes.n_genes, device=device), rows)
