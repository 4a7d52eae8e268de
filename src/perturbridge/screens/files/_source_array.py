"""Values that are in memory already."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from perturbridge.errors import DataError

from ._validate import check_dense, check_indptr, check_range, check_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import RowChunk

__all__ = ["ArraySource", "named_cell"]


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Values of a screen from a scipy CSR matrix or a numpy array; checked chunk by chunk, like those of a file.

    Parameters
    ----------
    matrix
        `(n_cells, n_genes)`, counts or log1p values, never copied.
    description
        What it is, for messages and the manifest.
    cell_names, gene_names
        Names for messages `(n_cells,)`, `(n_genes,)`; positions are named where they are empty.
    path
        Where the values came from, None if they were never in a file.

    Raises
    ------
    DataError
        If the matrix is neither, or its row pointers are broken.

    Examples
    --------
    >>> source = ArraySource(np.array([[0, 3], [1, 0]]), description="two cells")
    >>> source.read_rows(0, 2).data.tolist()
    [3.0, 1.0]
    """

    matrix: Any
    description: str = "values in memory"
    cell_names: Sequence[str] = field(default=(), kw_only=True)
    gene_names: Sequence[str] = field(default=(), kw_only=True)
    path: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.matrix, np.ndarray):
            if self.matrix.ndim == 2:
                return
            problem = f"The values have {self.matrix.ndim} axes, expected cells x genes."
            raise DataError(problem, cure="Pass a 2-D array.")
        if not isinstance(self.matrix, sparse.csr_matrix | sparse.csr_array):
            problem = f"Values of type {type(self.matrix).__name__} cannot be read by rows."
            raise DataError(problem, cure="Pass a scipy CSR matrix (matrix.tocsr()) or a 2-D numpy array.")
        stored = min(len(self.matrix.indices), len(self.matrix.data))
        used = int(self.matrix.indptr[-1]) if len(self.matrix.indptr) else -1
        n_values = used if 0 <= used <= stored else stored
        check_indptr(self.matrix.indptr, n_rows=self.matrix.shape[0], n_values=n_values, name=self.description)

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""
        n_cells, n_genes = self.matrix.shape
        return int(n_cells), int(n_genes)

    def locate(self, cell: int, gene: int | None = None, /) -> str:
        """Return the names of a cell and a gene, for a message."""
        return named_cell(cell, gene, cells=self.cell_names, genes=self.gene_names)

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Return cells `start` to `stop`, `stop` excluded.

        Raises
        ------
        DataError
            For a range outside the cells, an index out of range, a gene stored twice, a NaN, infinite or negative value.
        """
        check_range(start, stop, self.shape[0])
        if isinstance(self.matrix, np.ndarray):
            return check_dense(start, self.matrix[start:stop], locate=self.locate)
        pointers = self.matrix.indptr[start : stop + 1].astype(np.int64)
        span = slice(int(pointers[0]), int(pointers[-1]))
        return check_rows(
            start,
            pointers - pointers[0],
            indices=self.matrix.indices[span],
            data=self.matrix.data[span],
            n_genes=self.shape[1],
            locate=self.locate,
        )

    def part(self, start: int, stop: int) -> ArraySource:
        """Return cells `start` to `stop`, `stop` excluded, with their values, since there is no file to read them from again."""
        check_range(start, stop, self.shape[0])
        return replace(self, matrix=self.matrix[start:stop], cell_names=tuple(self.cell_names[start:stop]))

    def row_ends(self) -> NDArray[np.int64] | None:
        """Return the cumulated number of stored values after each cell `(n_cells,)`, or None for a dense array."""
        return None if isinstance(self.matrix, np.ndarray) else self.matrix.indptr[1:].astype(np.int64)


def named_cell(cell: int, gene: int | None, /, *, cells: Sequence[str], genes: Sequence[str]) -> str:
    """Return a cell, and a gene where one is given, by name where names are known and else by position."""
    named = f"cell {cells[cell]!r} (row {cell})" if len(cells) else f"cell {cell}"
    if gene is None:
        return named
    return f"{named}, gene {genes[gene]!r}" if len(genes) else f"{named}, gene {gene}"
