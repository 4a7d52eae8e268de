"""Cells of several sources one after the other; none is loaded, and a read opens only those it touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import RowChunk, part_of

from ._validate import check_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import CountSource

__all__ = ["JoinedSource"]


@dataclass(frozen=True, eq=False)
class JoinedSource:
    """The cells of several files as those of one.

    Parameters
    ----------
    parts
        Sources with the same genes in the same order.
    path
        Folder or pattern that names the files, None for a list of them.
    """

    parts: tuple[CountSource, ...]
    path: str | None = None

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum([part.shape[0] for part in self.parts])]).astype(np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""
        return int(self._starts[-1]), self.parts[0].shape[1]

    @property
    def description(self) -> str:
        """The first file and how many follow."""
        return f"{self.parts[0].description} and {len(self.parts) - 1} more"

    def _part_of(self, cell: int) -> int:
        return int(np.searchsorted(self._starts, cell, side="right")) - 1

    def locate(self, cell: int, gene: int | None = None, /) -> str:
        """Return the file and the names of a cell and a gene, for a message."""
        at = self._part_of(cell)
        part, within = self.parts[at], cell - int(self._starts[at])
        locate = getattr(part, "locate", None)
        named = locate(within, gene) if callable(locate) else f"cell {within}"
        return f"{named} of {part.description}"

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Read cells `start` to `stop`, `stop` excluded, which may lie in several files.

        Raises
        ------
        DataError
            As the source of each file.
        """
        check_range(start, stop, self.shape[0])
        first, last = self._part_of(start), self._part_of(max(stop - 1, start))
        chunks = []
        for at in range(first, min(last, len(self.parts) - 1) + 1):
            low, high = int(self._starts[at]), int(self._starts[at + 1])
            chunks.append(self.parts[at].read_rows(max(start, low) - low, min(stop, high) - low))
        if len(chunks) == 1:
            return RowChunk(start, chunks[0].indptr, chunks[0].indices, chunks[0].data)
        lengths = np.concatenate([np.diff(chunk.indptr) for chunk in chunks]) if chunks else np.empty(0, dtype=np.int64)
        return RowChunk(
            start,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([chunk.indices for chunk in chunks]) if chunks else np.empty(0, dtype=np.int32),
            np.concatenate([chunk.data for chunk in chunks]) if chunks else np.empty(0, dtype=np.float32),
        )

    def expect(self, start: int, stop: int) -> None:
        """Pass the hint on to the file in which the first of these cells lies, where it takes any."""
        at = self._part_of(min(max(start, 0), self.shape[0] - 1))
        hint, low = getattr(self.parts[at], "expect", None), int(self._starts[at])
        if callable(hint):
            hint(start - low, stop - low)

    def part(self, start: int, stop: int) -> CountSource:
        """Return cells `start` to `stop`, `stop` excluded, as a source that travels: the files that hold them alone."""
        check_range(start, stop, self.shape[0])
        spans = zip(self.parts, self._starts[:-1].tolist(), self._starts[1:].tolist(), strict=True)
        cut = [
            part_of(part, max(start, low) - low, min(stop, high) - low)
            for part, low, high in spans
            if max(start, low) < min(stop, high)
        ]
        if not cut:
            return part_of(self.parts[0], 0, 0)
        return cut[0] if len(cut) == 1 else JoinedSource(tuple(cut), self.path)

    def row_ends(self) -> NDArray[np.int64] | None:
        """Return the cumulated number of values after each cell `(n_cells,)`; None where any file is dense."""
        ends = [part.row_ends() for part in self.parts]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return None
        before = np.concatenate([[0], np.cumsum([int(end[-1]) if len(end) else 0 for end in known])])
        return np.concatenate([end + add for end, add in zip(known, before[:-1].tolist(), strict=True)])
