"""Values in an HDF5 file or a zarr store by cell: compressed sparse rows, or a dense array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge.errors import DataError

from ._ahead import ask_ahead
from ._h5 import attribute, child, data_set, open_file, read_all, uncached, with_plugin
from ._h5_frame import row_name
from ._node import file_name, is_array, is_group
from ._validate import check_dense, check_indptr, check_range, check_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from perturbridge.values import RowChunk

    from ._node import Array, Group

__all__ = ["H5Source", "Stored", "is_matrix", "locate_in_file", "stored_matrix"]

Layout = Literal["csr", "csc", "dense"]
_LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {"csr_matrix": "csr", "csc_matrix": "csc", "csr": "csr", "csc": "csc"}
)


@dataclass(frozen=True)
class Stored:
    """How a matrix lies in a file.

    Parameters
    ----------
    layout
        By cell, by gene, or dense.
    shape
        `(n_cells, n_genes)` as the file says.
    n_values
        Stored values.
    dtype
        Type of the values.
    """

    layout: Layout
    shape: tuple[int, int]
    n_values: int
    dtype: np.dtype[Any]


def is_matrix(item: object) -> bool:
    """True for a 2-D array or a group of the three sparse arrays."""
    if is_array(item):
        return len(getattr(item, "shape", ())) == 2
    return is_group(item) and all(part in item for part in ("data", "indices", "indptr"))  # type: ignore[operator]


def stored_matrix(file: Group, key: str) -> Stored:
    """Return layout and shape of a matrix after checking that its parts agree in length and with the size of the file.

    Raises
    ------
    DataError
        If the layout or the shape is missing or impossible.
    """
    item = child(file, key)
    where = f"{key!r} in {file_name(file)!r}"
    if is_array(item):
        array = data_set(file, key)
        if array.ndim != 2:
            problem = f"{where} has {array.ndim} axes, expected cells x genes."
            raise DataError(problem, cure="Check that the file is a complete h5ad.")
        return Stored("dense", (int(array.shape[0]), int(array.shape[1])), int(array.size), array.dtype)
    said = attribute(item, "encoding-type")
    said = attribute(item, "h5sparse_format") if said is None else said
    layout = _LAYOUTS.get(said) if isinstance(said, str) else None
    if layout is None:
        problem = f"{where} is stored as {said!r}, which is not a matrix this package knows."
        raise DataError(problem, cure="Write it as a CSR, CSC or dense matrix.")
    data, indices, indptr = (data_set(item, part) for part in ("data", "indices", "indptr"))
    if data.ndim != 1 or indices.shape != data.shape or indptr.ndim != 1:
        problem = (
            f"{where} has {data.shape} values for {indices.shape} indices and row pointers of shape {indptr.shape}."
        )
        raise DataError(problem, cure="The file is damaged or was written wrongly: write it again from its source.")
    return Stored(layout, _shape(item, where), int(data.size), data.dtype)


def _shape(item: Group, where: str) -> tuple[int, int]:
    said = attribute(item, "shape")
    said = attribute(item, "h5sparse_shape") if said is None else said
    shape = np.asarray([] if said is None else said)
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or shape.min() < 0:
        problem = f"The shape of {where} is {shape.tolist()}, expected two whole numbers."
        raise DataError(problem, cure="The file is damaged or was written wrongly: write it again from its source.")
    return int(shape[0]), int(shape[1])


def locate_in_file(path: str, gene_names: tuple[str, ...], /, *, cell: int, gene: int | None) -> str:
    """Return a phrase that names a cell and, where it is not None, a gene; rows and columns where names cannot be read."""
    try:
        with open_file(path) as file:
            named = f"cell {row_name(child(file, 'obs'), cell)!r} (row {cell})"
    except (DataError, IndexError):
        named = f"cell {cell}"
    if gene is None:
        return named
    return f"{named}, gene {gene_names[gene]!r}" if gene < len(gene_names) else f"{named}, gene {gene}"


@dataclass(frozen=True, eq=False, kw_only=True)
class H5Source:
    """Reads cells of an HDF5 file on demand; the file is open only while it reads.

    Parameters
    ----------
    path
        The file.
    key
        Where the matrix lies in it.
    place
        The same in the words of `Normalization.place`.
    shape
        `(n_cells, n_genes)`.
    pointers
        Checked row pointers `(n_cells + 1,)` of a CSR matrix into the values of the file, None for a dense array.
    whole
        Shape of the stored values in the file, of all its cells.
    gene_names
        For messages `(n_genes,)`.
    turned
        True for a dense array that is stored genes x cells.
    first_row
        Row of the file that is cell 0 here.
    """

    path: str
    key: str
    place: str
    shape: tuple[int, int]
    pointers: NDArray[np.int64] | None
    whole: tuple[int, ...]
    gene_names: tuple[str, ...] = ()
    turned: bool = False
    first_row: int = 0

    @classmethod
    def open(cls, path: str, key: str, /, *, place: str, gene_names: tuple[str, ...] = ()) -> H5Source:
        """Check the frame of a CSR or dense matrix; no value and no index is read.

        Raises
        ------
        DataError
            If the parts of the matrix do not fit each other.
        """
        with open_file(path) as file:
            stored = stored_matrix(file, key)
            pointers = None
            if stored.layout == "csr":
                pointers = check_indptr(
                    read_all(data_set(child(file, key), "indptr")),
                    n_rows=stored.shape[0],
                    n_values=stored.n_values,
                    name=f"{place} in {path!r}",
                )
        whole = stored.shape if pointers is None else (stored.n_values,)
        return cls(
            path=path, key=key, place=place, shape=stored.shape, pointers=pointers, whole=whole, gene_names=gene_names
        )

    @property
    def description(self) -> str:
        """File, place in it and layout."""
        return f"{self.path}, {self.place} ({'dense' if self.pointers is None else 'CSR'})"

    def locate(self, cell: int, gene: int | None = None, /) -> str:
        """Return the names of a cell and a gene, for a message."""
        return locate_in_file(self.path, self.gene_names, cell=self.first_row + cell, gene=gene)

    def read_rows(self, start: int, stop: int) -> RowChunk:
        """Read and check cells `start` to `stop`, `stop` excluded.

        Raises
        ------
        DataError
            For a range outside the cells, an index out of range, a gene stored twice, a NaN, infinite or negative value,
            or a file that cannot be read or has changed.
        """
        check_range(start, stop, self.shape[0])
        if self.pointers is None:
            return check_dense(start, self._dense_rows(start, stop), locate=self.locate)
        lo, hi = int(self.pointers[start]), int(self.pointers[stop])
        with open_file(self.path) as file:
            group = child(file, self.key)
            parts = [uncached(group, part) for part in ("indices", "data")]
            if any(part.shape != self.whole for part in parts):
                problem = f"{self.path!r} has changed since it was opened."
                raise DataError(problem, cure="Read the screen again.")
            for part in parts:
                with_plugin(part)
            indices, data = (np.asarray(part[lo:hi]) for part in parts)
        return check_rows(
            start,
            self.pointers[start : stop + 1] - lo,
            indices=indices,
            data=data,
            n_genes=self.shape[1],
            locate=self.locate,
        )

    def expect(self, start: int, stop: int) -> None:
        """Ask the system for the bytes of cells that will be read soon; a hint, which changes nothing but the time."""
        low, high = max(start, 0), min(stop, self.shape[0])
        if high <= low or self.turned:
            return
        with open_file(self.path) as file:
            if self.pointers is None:
                ask_ahead(data_set(file, self.key), self.first_row + low, self.first_row + high)
                return
            group = child(file, self.key)
            for part in ("indices", "data"):
                ask_ahead(data_set(group, part), int(self.pointers[low]), int(self.pointers[high]))

    def _dense_rows(self, start: int, stop: int) -> NDArray[np.generic]:
        start, stop = self.first_row + start, self.first_row + stop
        with open_file(self.path) as file:
            array: Array = data_set(file, self.key)
            if array.shape != self.whole:
                problem = f"{self.path!r} has changed since it was opened."
                raise DataError(problem, cure="Read the screen again.")
            with_plugin(array)
            return np.asarray(array[:, start:stop]).T if self.turned else np.asarray(array[start:stop])

    def part(self, start: int, stop: int) -> H5Source:
        """Return cells `start` to `stop`, `stop` excluded, as a source that travels: an absolute path and the pointers of these cells.

        Raises
        ------
        DataError
            For a range outside the cells.
        """
        check_range(start, stop, self.shape[0])
        return replace(
            self,
            path=str(Path(self.path).resolve()),
            shape=(stop - start, self.shape[1]),
            pointers=None if self.pointers is None else self.pointers[start : stop + 1].copy(),
            first_row=self.first_row + start,
        )

    def row_ends(self) -> NDArray[np.int64] | None:
        """Return the cumulated number of stored values after each cell `(n_cells,)`, or None for a dense array."""
        if self.pointers is None:
            return None
        first = int(self.pointers[0])
        # A view of the whole file's, which takes no memory; only a part has to be shifted.
        return self.pointers[1:] - first if first else self.pointers[1:]
