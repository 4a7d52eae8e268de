"""Some genes of another source, in another order: plates that list their genes differently, files with more than genes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import RowChunk, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import CountSource

__all__ = ["PickedGenes"]


@dataclass(frozen=True, eq=False)
class PickedGenes:
    """A source with the columns that were picked, in the order in which they were picked.

    Parameters
    ----------
    inner
        Reads and checks the values.
    columns
        Column of `inner` for each gene `(n_genes,)`, each at most once.
    """

    inner: CountSource
    columns: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""
        return self.inner.shape[0], len(self.columns)

    @property
    def description(self) -> str:
        """That of the inner source."""
        return self.inner.description

    @property
    def path(self) -> str | None:
        """That of the inner source."""
        return self.inner.path

    def locate(self, cell: int, gene: int | None = None, /) -> str:
        """Return the names of a cell and a gene, for a message."""
        locate = getattr(self.inner, "locate", None)
        column = None if gene is None else int(self.columns[gene])
        return str(locate(cell, column)) if callable(locate) else f"cell {cell}"

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Read cells `start` to `stop`, `stop` excluded, checked by the inner source."""
        chunk = self.inner.read_rows(start, stop)
        place = np.full(self.inner.shape[1], -1, dtype=np.int64)
        place[self.columns] = np.arange(len(self.columns))
        moved = place[chunk.indices]
        kept = moved >= 0
        rows = np.repeat(np.arange(chunk.n_rows), np.diff(chunk.indptr))[kept]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=chunk.n_rows))]).astype(np.int64)
        indices, data = moved[kept], chunk.data[kept]
        if (np.diff(self.columns) < 0).any():
            order = np.lexsort((indices, rows))
            indices, data = indices[order], data[order]
        return RowChunk(chunk.start, indptr, indices.astype(np.int32), data)

    def expect(self, start: int, stop: int) -> None:
        """Pass the hint on to the inner source, where it takes any."""
        hint = getattr(self.inner, "expect", None)
        if callable(hint):
            hint(start, stop)

    def part(self, start: int, stop: int) -> PickedGenes:
        """Return cells `start` to `stop`, `stop` excluded, as a source that travels."""
        return replace(self, inner=part_of(self.inner, start, stop))

    def row_ends(self) -> NDArray[np.int64] | None:
        """Return what the inner source reads for each cell, an upper bound of what is kept."""
        return self.inner.row_ends()
