"""Values in a text matrix: read whole, since text has no index, but only when asked for and only as many at a time as memory is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._source_array import ArraySource, named_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from perturbridge.values import RowChunk

__all__ = ["MarketSource", "Shelf"]

BYTES_PER_VALUE = 8


class Shelf:
    """Text matrices of one screen in memory: those that fit into `budget` bytes stay, of the others one at a time.

    Cells are read in order, again and again, so that matrices that stay are read once and the others once in each pass; dropping
    the least recently used would read all of them in every pass.

    Parameters
    ----------
    budget
        Bytes for those that stay.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.expected = 0
        self._kept: dict[str, csr_matrix[Any]] = {}
        self._size = 0
        self._passing: tuple[str, csr_matrix[Any]] | None = None

    def expect(self, n_values: int) -> None:
        """Count a matrix that will be asked for."""
        self.expected += n_values * BYTES_PER_VALUE

    def get(self, key: str, read: Callable[[], csr_matrix[Any]]) -> csr_matrix[Any]:
        """Return the matrix of a key, reading it where it is not here."""
        if key in self._kept:
            return self._kept[key]
        if self._passing is not None and self._passing[0] == key:
            return self._passing[1]
        # Let go of the last one before the next is read.
        self._passing = None
        matrix = read()
        size = int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)
        if self._size + size <= self.budget:
            self._kept[key] = matrix
            self._size += size
        else:
            self._passing = key, matrix
        return matrix


class MarketSource:
    """Cells of a text matrix.

    Parameters
    ----------
    path
        The folder.
    shape
        `(n_cells, n_genes)`.
    read
        Reads the matrix as CSR.
    shelf
        Holds it, beside others of the screen.
    description
        What it is, for messages and the manifest.
    cell_names, gene_names
        Names for messages `(n_cells,)`, `(n_genes,)`.
    """

    def __init__(
        self,
        path: str,
        *,
        shape: tuple[int, int],
        read: Callable[[], csr_matrix[Any]],
        shelf: Shelf,
        description: str,
        cell_names: tuple[str, ...] = (),
        gene_names: tuple[str, ...] = (),
    ) -> None:
        self._path, self._shape, self._read, self._shelf = path, shape, read, shelf
        self._description, self._cell_names, self._gene_names = description, cell_names, gene_names
        self._ends: NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""
        return self._shape

    @property
    def path(self) -> str:
        """The folder."""
        return self._path

    @property
    def description(self) -> str:
        """Folder and place."""
        return self._description

    def _loaded(self) -> ArraySource:
        source = ArraySource(
            self._shelf.get(self._path, self._read),
            self._description,
            cell_names=self._cell_names,
            gene_names=self._gene_names,
            path=self._path,
        )
        if self._ends is None:
            self._ends = source.row_ends()
        return source

    def locate(self, cell: int, gene: int | None = None, /) -> str:
        """Return the names of a cell and a gene, for a message."""
        return named_cell(cell, gene, cells=self._cell_names, genes=self._gene_names)

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Return cells `start` to `stop`, `stop` excluded.

        Raises
        ------
        DataError
            As `ArraySource`, or if the text is broken.
        """
        return self._loaded().read_rows(start, stop)

    def part(self, start: int, stop: int) -> ArraySource:
        """Return cells `start` to `stop`, `stop` excluded, with their values: text has no index, so nobody else could read them alone."""
        return self._loaded().part(start, stop)

    def row_ends(self) -> NDArray[np.int64] | None:
        """Return the cumulated number of stored values after each cell `(n_cells,)`; the first call reads the matrix."""
        if self._ends is None:
            self._loaded()
        return self._ends
