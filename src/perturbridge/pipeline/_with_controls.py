"""Cells without controls of their own, as something that a sum against controls can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import RowChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import CountSource

__all__ = ["WithControls"]


class WithControls:
    """A source with copies of one of its cells at the end, to stand where controls are asked for.

    Means of perturbations are Δ plus the control that was taken off, whichever it was, so the copies cancel out.

    Parameters
    ----------
    source
        The cells.
    row
        The cell to copy.
    n_copies
        How often.
    """

    def __init__(self, source: CountSource, *, row: int, n_copies: int) -> None:
        self._source, self._n_copies = source, n_copies
        self._copied = source.read_rows(row, row + 1)

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`, copies included."""
        n_cells, n_genes = self._source.shape
        return n_cells + self._n_copies, n_genes

    @property
    def description(self) -> str:
        """That of the source."""
        return self._source.description

    @property
    def path(self) -> str | None:
        """That of the source."""
        return self._source.path

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Read cells `start` to `stop`, the copies behind the others."""
        n_cells = self._source.shape[0]
        if stop <= n_cells:
            return self._source.read_rows(start, stop)
        parts = [self._source.read_rows(start, n_cells)] if start < n_cells else []
        parts += [self._copied] * (stop - max(start, n_cells))
        lengths = np.concatenate([np.diff(part.indptr) for part in parts])
        return RowChunk(
            start,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([part.indices for part in parts]),
            np.concatenate([part.data for part in parts]),
        )

    def row_ends(self) -> NDArray[np.int64] | None:
        """Cumulated number of stored values after each cell, copies included, or None where every cell stores all genes."""
        ends = self._source.row_ends()
        if ends is None:
            return None
        size = len(self._copied.data)
        last = int(ends[-1]) if len(ends) else 0
        return np.concatenate([ends, last + size * np.arange(1, self._n_copies + 1)])
