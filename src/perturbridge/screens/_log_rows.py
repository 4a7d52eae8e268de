"""The normalized values of a screen, a stretch of cells at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from perturbridge.values import Screen

__all__ = ["LogRows", "log_rows"]


@dataclass(frozen=True, eq=False, kw_only=True)
class LogRows:
    """Consecutive cells.

    Parameters
    ----------
    start
        Index of the first cell.
    values
        log1p(count · target_sum / total), or the stored log1p values; CSR `(n_rows, n_genes)`, float64.
    totals
        Sum of what is stored for each cell `(n_rows,)`: its counts, where counts are stored.
    """

    start: int
    values: sparse.csr_matrix[Any]
    totals: NDArray[np.float64]


def log_rows(screen: Screen, *, n_rows: int = 4096) -> Iterator[LogRows]:
    """Yield x = log1p(count · target_sum / total) of all cells in order; a cell without counts is all zero.

    Parameters
    ----------
    screen
        What to read; values that are log1p already are yielded as they are.
    n_rows
        Cells at a time.

    Yields
    ------
    LogRows
        A stretch of cells.

    Raises
    ------
    DataError
        If a value is broken.
    """
    logged = screen.normalization.kind == "log1p"
    for start in range(0, screen.n_cells, n_rows):
        chunk = screen.source.read_rows(start, min(start + n_rows, screen.n_cells))
        data = np.asarray(chunk.data, dtype=np.float64)
        lengths = np.diff(chunk.indptr)
        rows = np.repeat(np.arange(chunk.n_rows), lengths)
        totals = np.bincount(rows, weights=data, minlength=chunk.n_rows).astype(np.float64)
        if not logged:
            data = np.log1p(data * (screen.normalization.target_sum / np.where(totals > 0, totals, 1.0))[rows])
        values = sparse.csr_matrix((data, chunk.indices, chunk.indptr), shape=(chunk.n_rows, screen.n_genes))
        yield LogRows(start=start, values=values, totals=totals)
