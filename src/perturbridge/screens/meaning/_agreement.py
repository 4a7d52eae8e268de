"""Do the two matrices of one file tell the same story? Counts in a layer, their logarithm in X."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.screens.files._source_csc import CscSource
from perturbridge.values import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.screens.files._container import Container
    from perturbridge.values import CountSource, RowChunk

__all__ = ["matrices_agree"]

N_LOOKED_AT = 20_000
VALUES_LOOKED_AT = 4_000_000
N_BLOCKS = 20
TOLERANCE = 1e-3
# Beyond this share, X was scaled gene by gene or smoothed: another normalization, not a fault of some cells.
LARGEST_SHARE = 0.1
# exp(30) counts in one cell: no logarithm of counts is larger.
LARGEST_LOG = 30.0


def matrices_agree(container: Container, place: str) -> list[Finding]:
    """Compare the counts at `place` with X: in each cell, exp(X) − 1 must be the counts times one number.

    Parameters
    ----------
    container
        The file.
    place
        Where the counts lie that will be used.

    Returns
    -------
    list
        One warning if some cells differ, empty if none does, if X is not a logarithm of these counts at all, is not there, or
        cannot be read by cell (it is stored by gene, or holds scaled values). All cells are looked at up to 20,000 of them or
        4 million values; of more, as many in blocks spread over the file, and the message says so.
    """
    if place == "X" or "X" not in container.places():
        return []
    counts, logs = container.source(place), container.source("X")
    if counts.shape != logs.shape or isinstance(counts, CscSource) or isinstance(logs, CscSource):
        return []
    blocks = _blocks(counts.shape[0], most=min(N_LOOKED_AT, _cells_for(counts, VALUES_LOOKED_AT)))
    try:
        differing = [
            start + cell for start, stop in blocks for cell in _differing(counts, logs, start=start, stop=stop)
        ]
    except DataError:
        # Whatever is wrong with X is no fault of the counts; what is wrong with the counts is said when they are summed.
        return []
    n_seen = sum(stop - start for start, stop in blocks)
    if not differing or len(differing) > LARGEST_SHARE * n_seen:
        return []
    first = str(differing[0])
    seen = f"of the {n_seen:,} cells looked at" if n_seen < counts.shape[0] else f"of {n_seen:,}"
    message = (
        f"In {len(differing)} cells {seen} X is not the logarithm of {place}: the counts behind X are not whole there, or were changed "
        f"(the first is cell {first}, counted from 0). {place} is used."
    )
    return [Finding(level="warning", code="matrices_differ", message=message, count=len(differing), example=first)]


def _cells_for(source: CountSource, n_values: int) -> int:
    """Return the number of cells that hold about `n_values` values."""
    n_cells, n_genes = source.shape
    ends = source.row_ends()
    stored = n_cells * n_genes if ends is None else int(ends[-1])
    return max(N_BLOCKS, n_values * n_cells // max(stored, 1))


def _blocks(n_cells: int, *, most: int) -> list[tuple[int, int]]:
    if n_cells <= most:
        return [(0, n_cells)]
    size = most // N_BLOCKS
    starts = np.linspace(0, n_cells - size, N_BLOCKS).astype(np.int64)
    return [(int(start), int(start) + size) for start in starts]


def _differing(counts: CountSource, logs: CountSource, *, start: int, stop: int) -> NDArray[np.int64]:
    """Return the cells of a block, counted from its start, in which the ratio of the two is not one number."""
    one, other = counts.read_rows(start, stop), logs.read_rows(start, stop)
    if np.array_equal(one.indptr, other.indptr) and np.array_equal(one.indices, other.indices):
        apart = np.empty(0, dtype=np.int64)
        rows, c, x = _rows(one), one.data.astype(np.float64), other.data.astype(np.float64)
    else:
        keys, c = _entries(one, counts.shape[1])
        log_keys, x = _entries(other, counts.shape[1])
        apart = np.setxor1d(keys, log_keys, assume_unique=True) // counts.shape[1]
        kept = np.isin(keys, log_keys, assume_unique=True)
        rows, c, x = keys[kept] // counts.shape[1], c[kept], x[np.isin(log_keys, keys, assume_unique=True)]
    n = stop - start
    if x.max(initial=0.0) > LARGEST_LOG:
        return np.arange(n)
    scaled = np.expm1(x)
    factor = np.bincount(rows, weights=scaled, minlength=n) / np.maximum(np.bincount(rows, weights=c, minlength=n), 1.0)
    off = np.abs(scaled - factor[rows] * c) > TOLERANCE * factor[rows] * c
    return np.union1d(apart, rows[off])


def _rows(chunk: RowChunk) -> NDArray[np.int64]:
    return np.repeat(np.arange(chunk.n_rows, dtype=np.int64), np.diff(chunk.indptr))


def _entries(chunk: RowChunk, n_genes: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return row * n_genes + gene of each entry that is not zero, ascending, and the entries."""
    kept = chunk.data != 0
    return (_rows(chunk) * n_genes + chunk.indices)[kept], chunk.data[kept].astype(np.float64)
