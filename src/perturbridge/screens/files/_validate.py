"""Checks on raw sparse and dense rows; nothing downstream sees an index or a value that has not passed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import RowChunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Locate", "as_float", "check_dense", "check_indptr", "check_range", "check_rows"]

_EXACT = 2.0**53


class Locate(Protocol):
    """Names a cell and, where it is not None, a gene, for a message."""

    def __call__(self, cell: int, gene: int | None = None, /) -> str:
        """Return a phrase such as `cell 'AAAC-1' (row 0), gene 'TP53'`."""


def check_range(start: int, stop: int, n_cells: int) -> None:
    """Refuse a row range that does not lie within the cells.

    Raises
    ------
    DataError
        If not `0 <= start <= stop <= n_cells`.
    """
    if not 0 <= start <= stop <= n_cells:
        problem = f"Cells {start} to {stop} were asked for, there are {n_cells}."
        raise DataError(problem, cure="Ask for a range within the cells.")


def check_indptr(indptr: NDArray[Any], *, n_rows: int, n_values: int, name: str) -> NDArray[np.int64]:
    """Return row pointers as int64 after checking length, start, order and end.

    Parameters
    ----------
    indptr
        `(n_rows + 1,)`, any integer type.
    n_rows, n_values
        What it must describe.
    name
        Where it lies, for the message.

    Raises
    ------
    DataError
        If it is not a non-decreasing integer array from 0 to `n_values` of that length.
    """
    cure = "The file is damaged or was written wrongly: write it again from its source, for example with AnnData.write_h5ad."
    if indptr.ndim != 1 or indptr.dtype.kind not in "iu" or len(indptr) != n_rows + 1:
        problem = f"indptr of {name} has shape {indptr.shape} and type {indptr.dtype}, expected {n_rows + 1} integers."
        raise DataError(problem, cure=cure)
    pointers = indptr.astype(np.int64, copy=False)
    if pointers[0] != 0:
        problem = f"indptr of {name} starts at {pointers[0]} instead of 0."
        raise DataError(problem, cure=cure)
    falls = np.flatnonzero(pointers[1:] < pointers[:-1])
    if len(falls):
        problem = f"indptr of {name} decreases at {len(falls)} places, the first after row {falls[0]}."
        raise DataError(problem, cure=cure)
    if pointers[-1] != n_values:
        problem = f"indptr of {name} ends at {pointers[-1]}, but {n_values} values are stored."
        raise DataError(problem, cure=cure)
    return pointers


def check_rows(
    start: int, indptr: NDArray[np.int64], /, *, indices: NDArray[Any], data: NDArray[Any], n_genes: int, locate: Locate
) -> RowChunk:
    """Return one chunk of compressed sparse rows after checking every index and every value.

    Parameters
    ----------
    start
        Index of the first cell.
    indptr
        Row pointers of the chunk, already checked, starting at 0.
    indices, data
        `(nnz,)` each, as read.
    n_genes
        Indices must lie below this.
    locate
        Names the first offender.

    Returns
    -------
    RowChunk
        Indices int32 or int64, rising within each cell; data float32 or float64.

    Raises
    ------
    DataError
        For an index out of range, a gene stored twice in one cell, a NaN, infinite or negative value.
    """
    if indices.dtype.kind not in "iu":
        problem = f"Gene indices are of type {indices.dtype}, expected integers ({locate(start)})."
        raise DataError(problem, cure="Write the matrix again with integer indices.")
    rising = _all_rising(indptr, indices)
    if len(indices) and not (rising and _ends_within(indptr, indices, n_genes)):
        _check_bounds(start, indptr, indices=indices, n_genes=n_genes, locate=locate)
    indices = indices.astype(np.int32 if indices.dtype.itemsize <= 4 else np.int64, copy=False)
    values = as_float(data)
    _check_values(values, lambda k: locate(start + _row_of(indptr, k), int(indices[k])), span=(start, len(indptr) - 1))
    if rising:
        return RowChunk(start, indptr, indices, values)
    order = _sorting_order(start, indptr, indices=indices, n_genes=n_genes, locate=locate)
    return RowChunk(start, indptr, indices[order], values[order])


def check_dense(start: int, block: NDArray[Any], /, *, locate: Locate) -> RowChunk:
    """Return dense rows `(n_rows, n_genes)` as a chunk of sparse rows, zeros left out, after checking every value.

    Raises
    ------
    DataError
        For a NaN, infinite or negative value.
    """
    values = as_float(block)
    n_rows, n_genes = values.shape
    flat = values.reshape(-1)
    _check_values(flat, lambda k: locate(start + k // n_genes, k % n_genes), span=(start, n_rows))
    stored = np.flatnonzero(flat != 0)
    indptr = np.searchsorted(stored, np.arange(n_rows + 1, dtype=np.int64) * n_genes).astype(np.int64)
    indices = stored - np.repeat(np.arange(n_rows, dtype=np.int64) * n_genes, np.diff(indptr))
    return RowChunk(start, indptr, indices.astype(np.int32), flat[stored])


def _check_bounds(
    start: int, indptr: NDArray[np.int64], *, indices: NDArray[Any], n_genes: int, locate: Locate
) -> None:
    low, high = int(indices.min()), int(indices.max())
    if low >= 0 and high < n_genes:
        return
    bad = np.flatnonzero((indices < 0) | (indices >= n_genes))
    cell = locate(start + _row_of(indptr, int(bad[0])))
    problem = (
        f"{len(bad)} gene indices lie outside 0..{n_genes - 1}, the first is {int(indices[bad[0]])} in {cell}"
        f" (lowest {low}, highest {high})."
    )
    raise DataError(
        problem, cure="The file is damaged or the gene table is not its own: write it again from its source."
    )


def as_float(data: NDArray[Any]) -> NDArray[Any]:
    """Small integers become float32 and large ones float64, exactly; bytes are brought into the order of this machine."""
    kind, size = data.dtype.kind, data.dtype.itemsize
    if kind == "f" and size <= 8:
        return data.astype(np.float32 if size <= 4 else np.float64, copy=False)
    if kind not in "iub":
        problem = f"The values are of type {data.dtype}, expected numbers."
        raise DataError(problem, cure="Store counts or log1p values as integers or floats.")
    if size == 8 and data.size and float(data.max()) > _EXACT:
        problem = f"The largest value is {data.max()}, more than a count can be."
        raise DataError(problem, cure="Check where these values come from.")
    return data.astype(np.float32 if size <= 2 else np.float64)


def _check_values(values: NDArray[Any], locate: Callable[[int], str], *, span: tuple[int, int]) -> None:
    """One vectorized pass; what fails it has two more: a NaN makes the minimum NaN, an infinity or a negative value shows at an end."""
    if not len(values):
        return
    # Floats from 0 on have the order of their bits, with infinity above all numbers, NaN above that, and what has a sign on top.
    bits = np.uint32 if values.itemsize == 4 else np.uint64
    if values.view(bits).max() < values.dtype.type(np.inf).view(bits):
        return
    low, high = values.min(), values.max()
    if low >= 0 and high < np.inf:
        return
    cells = f"cells {span[0]} to {span[0] + span[1] - 1}"
    broken = np.flatnonzero(~np.isfinite(values))
    if len(broken):
        problem = f"{len(broken)} values are NaN or infinite among {cells}, the first in {locate(int(broken[0]))}."
        raise DataError(problem, cure="Remove these cells or repair the values; they are not replaced by zeros.")
    below = np.flatnonzero(values < 0)
    problem = (
        f"{len(below)} values are negative among {cells}, the first ({values[below[0]]:g}) in {locate(int(below[0]))}."
    )
    raise DataError(
        problem,
        cure="Name the place that holds counts or log1p values (place=...); scaled or centered values cannot be used.",
    )


def _row_of(indptr: NDArray[np.int64], k: int) -> int:
    return int(np.searchsorted(indptr, k, side="right")) - 1


def _all_rising(indptr: NDArray[np.int64], indices: NDArray[Any]) -> bool:
    rising = indices[1:] > indices[:-1]
    inner = indptr[1:-1]
    rising[inner[(inner > 0) & (inner < len(indices))] - 1] = True
    return bool(rising.all())


def _ends_within(indptr: NDArray[np.int64], indices: NDArray[Any], n_genes: int) -> bool:
    """True if the first and last index of each cell, the lowest and highest where they rise, are those of genes."""
    filled = indptr[1:] > indptr[:-1]
    return bool((indices[indptr[:-1][filled]] >= 0).all() and (indices[indptr[1:][filled] - 1] < n_genes).all())


def _sorting_order(
    start: int, indptr: NDArray[np.int64], *, indices: NDArray[Any], n_genes: int, locate: Locate
) -> NDArray[np.int64]:
    """Order that makes indices rise within each cell; a gene stored twice in one cell is refused."""
    rows = np.repeat(np.arange(len(indptr) - 1, dtype=np.int64), np.diff(indptr))
    key = rows * n_genes + indices
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(np.diff(key[order]) == 0)
    if len(twice):
        k = int(order[twice[0]])
        problem = f"{len(twice)} values are stored a second time for the same cell and gene, the first in {locate(start + int(rows[k]), int(indices[k]))}."
        raise DataError(
            problem, cure="Call X.sum_duplicates() on the matrix, if the sum is what is meant, and write it again."
        )
    return order
