"""Values in an HDF5 file by gene (CSC): gathered into cells one band of cells at a time, in bounded memory."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from perturbridge.errors import DataError
from perturbridge.values import RowRange

from ._h5 import child, data_set, open_file, read_all, with_plugin
from ._source_h5 import locate_in_file, stored_matrix
from ._validate import as_float, check_indptr, check_range, check_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from perturbridge.values import RowChunk

__all__ = ["CscSource"]

_BLOCK = 2**22
_INDEX_BYTES = 4


class CscSource:
    """Reads cells of a matrix that is stored by gene.

    A pass over the file gathers a band of consecutive cells, as many as fit into `budget`, and keeps it until another band is
    asked for; reading all cells in order takes `n_passes` passes. One pass before them counts the values of each cell.

    Parameters
    ----------
    path, key, place
        The file, where the matrix lies in it, and the same in the words of `Normalization.place`.
    gene_names
        For messages `(n_genes,)`.
    budget
        Bytes for one band.

    Raises
    ------
    DataError
        If the parts of the matrix do not fit each other.
    """

    def __init__(
        self, path: str, key: str, /, *, place: str, gene_names: tuple[str, ...] = (), budget: int = 2**30
    ) -> None:
        self._path, self._key, self._place = path, key, place
        self.gene_names = gene_names
        with open_file(path) as file:
            stored = stored_matrix(file, key)
            pointers = read_all(data_set(child(file, key), "indptr"))
        self._shape = stored.shape
        self._pointers = check_indptr(
            pointers, n_rows=stored.shape[1], n_values=stored.n_values, name=f"{place} in {path!r}"
        )
        self._dtype = as_float(np.empty(0, dtype=stored.dtype)).dtype
        self._value_bytes = _INDEX_BYTES + self._dtype.itemsize
        self._budget = budget
        self._ends: NDArray[np.int64] | None = None
        self._band: tuple[int, int, sparse.csr_matrix] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_cells, n_genes)`."""
        return self._shape

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    @property
    def description(self) -> str:
        """File, place in it and layout."""
        return f"{self._path}, {self._place} (CSC)"

    @property
    def n_passes(self) -> int:
        """Passes over the file that reading all cells in order takes, the counting pass not included."""
        return max(1, -(-int(self._pointers[-1]) * self._value_bytes // self._budget))

    def locate(self, cell: int, gene: int | None = None, /) -> str:
        """Return the names of a cell and a gene, for a message."""
        return locate_in_file(self._path, self.gene_names, cell=cell, gene=gene)

    def sample_values(self, n: int) -> NDArray[Any]:
        """Return about `n` stored values from stretches spread over the genes, as they are."""
        total = int(self._pointers[-1])
        step = max(n // 8, 1)
        starts = np.unique(np.linspace(0, max(total - step, 0), 8).astype(np.int64))
        with open_file(self._path) as file:
            data = data_set(child(file, self._key), "data")
            with_plugin(data)
            return np.concatenate([np.asarray(data[s : s + step]) for s in starts.tolist()])

    def row_ends(self) -> NDArray[np.int64]:
        """Return the cumulated number of stored values after each cell `(n_cells,)`; the first call reads all indices.

        Raises
        ------
        DataError
            If an index lies outside the cells.
        """
        if self._ends is None:
            counts = np.zeros(self._shape[0], dtype=np.int64)
            for _, _, rows, _ in self._blocks(with_data=False):
                counts += np.bincount(rows, minlength=self._shape[0])
            self._ends = np.cumsum(counts)
        return self._ends

    def part(self, start: int, stop: int) -> RowRange:
        """Return cells `start` to `stop`, `stop` excluded, as a source that travels: an absolute path, no value that was gathered here."""
        check_range(start, stop, self._shape[0])
        self.row_ends()
        other = copy(self)
        other._path, other._band = str(Path(self._path).resolve()), None
        return RowRange(other, start, stop)

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Return cells `start` to `stop`, `stop` excluded, gathering a new band where they are not all in the present one.

        Raises
        ------
        DataError
            For a range outside the cells, an index out of range, a cell stored twice, a NaN, infinite or negative value.
        """
        check_range(start, stop, self._shape[0])
        if self._band is None or start < self._band[0] or stop > self._band[1]:
            self._band = None
            self._band = self._gather(start, stop)
        first, _, band = self._band
        pointers = band.indptr[start - first : stop - first + 1].astype(np.int64)
        span = slice(int(pointers[0]), int(pointers[-1]))
        return check_rows(
            start,
            pointers - pointers[0],
            indices=band.indices[span],
            data=band.data[span],
            n_genes=self._shape[1],
            locate=self.locate,
        )

    def _gather(self, start: int, stop: int) -> tuple[int, int, sparse.csr_matrix]:
        ends = self.row_ends()
        before = int(ends[start - 1]) if start else 0
        fits = int(np.searchsorted(ends, before + self._budget // self._value_bytes, side="right"))
        stop = max(stop, fits)
        pointers = np.concatenate([[0], ends[start:stop] - before])
        free = pointers[:-1].copy()
        indices = np.empty(int(pointers[-1]), dtype=np.int32)
        data: NDArray[Any] = np.empty(len(indices), dtype=self._dtype)
        for gene, within, rows, values in self._blocks(with_data=True):
            part = sparse.csc_matrix((values, rows, within), shape=(self._shape[0], len(within) - 1)).tocsr()
            ends_here = part.indptr[start : stop + 1].astype(np.int64)
            taken = slice(int(ends_here[0]), int(ends_here[-1]))
            counts = np.diff(ends_here)
            target = np.repeat(free - ends_here[:-1], counts) + np.arange(taken.start, taken.stop)
            indices[target] = part.indices[taken] + gene
            data[target] = part.data[taken]
            free += counts
        return start, stop, sparse.csr_matrix((data, indices, pointers), shape=(stop - start, self._shape[1]))

    def _blocks(self, *, with_data: bool) -> Iterator[tuple[int, NDArray[np.int64], NDArray[Any], NDArray[Any]]]:
        """Yield stretches of stored values: first gene, pointers of its genes into the stretch, cells, values."""
        with open_file(self._path) as file:
            group = child(file, self._key)
            indices, data = data_set(group, "indices"), data_set(group, "data")
            total = int(self._pointers[-1])
            if indices.shape != (total,) or data.shape != (total,):
                problem = f"{self._path!r} has changed since it was opened."
                raise DataError(problem, cure="Read the screen again.")
            with_plugin(indices)
            with_plugin(data)
            for lo in range(0, total, _BLOCK):
                hi = min(lo + _BLOCK, total)
                rows = np.asarray(indices[lo:hi])
                self._check_cells(rows)
                gene = int(np.searchsorted(self._pointers, lo, side="right")) - 1
                last = int(np.searchsorted(self._pointers, hi, side="left"))
                within = np.clip(self._pointers[gene : last + 1], lo, hi) - lo
                yield gene, within, rows, as_float(np.asarray(data[lo:hi])) if with_data else rows[:0]

    def _check_cells(self, rows: NDArray[Any]) -> None:
        cure = "The file is damaged or was written wrongly: write it again from its source."
        if rows.dtype.kind not in "iu":
            problem = f"{self.description} has cell indices of type {rows.dtype}, expected integers."
            raise DataError(problem, cure=cure)
        n_cells = self._shape[0]
        if int(rows.min()) < 0 or int(rows.max()) >= n_cells:
            bad = rows[(rows < 0) | (rows >= n_cells)]
            problem = (
                f"{self.description} has {len(bad)} cell indices outside 0..{n_cells - 1}, the first is {int(bad[0])}."
            )
            raise DataError(problem, cure=cure)
