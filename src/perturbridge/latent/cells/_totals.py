"""One pass over the cells of a fit: library sizes, cells without counts, counts that are no whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Finding

from ._memory import chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import CountSource

    from ._table import GeneMap

__all__ = ["Totals", "totals"]


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of some cells.

    Parameters
    ----------
    rows
        Their rows in the screen `(n_rows,)`.
    library
        Sum over genes `(n_rows,)`.
    fractional
        True where a value is no whole number `(n_rows,)`.
    """

    rows: NDArray[np.int64]
    library: NDArray[np.float64]
    fractional: NDArray[np.bool_]

    def library_prior(self, context: NDArray[np.int64], n_contexts: int) -> NDArray[np.float32]:
        """Mean and variance of ln l by context `(n_contexts, 2)`; variances not below 1e-4."""
        log = np.log(np.maximum(self.library, 1))
        size = np.bincount(context, minlength=n_contexts)
        mean = np.bincount(context, weights=log, minlength=n_contexts) / size
        square = np.bincount(context, weights=(log - mean[context]) ** 2, minlength=n_contexts) / size
        return np.stack([mean, np.maximum(square, 1e-4)], axis=1).astype(np.float32)

    def findings(self, *, counts: bool) -> tuple[Finding, ...]:
        """What is odd about these cells, counted; fractional values are odd among counts alone."""
        odd = [("empty_cells", "Cells without any counts are kept, with a library size of one.", self.library == 0)]
        if counts:
            odd.append(("fractional_counts", "Cells with counts that are no whole numbers are kept.", self.fractional))
        return tuple(
            Finding(
                level="warning", code=code, message=text, count=int(which.sum()), example=f"cell {self.rows[which][0]}"
            )
            for code, text, which in odd
            if which.any()
        )


def totals(source: CountSource, rows: NDArray[np.int64], *, genes: GeneMap) -> Totals:
    """Sum ascending rows in one pass."""
    library: list[NDArray[np.float64]] = [np.zeros(0)]
    fractional: list[NDArray[np.bool_]] = [np.zeros(0, dtype=np.bool_)]
    for chunk, wanted in chunks(source, rows):
        indptr, _, values = genes.select(chunk)
        row = np.repeat(np.arange(chunk.n_rows), np.diff(indptr))
        summed = np.bincount(row, weights=values, minlength=chunk.n_rows)
        library.append(np.asarray(summed[wanted], dtype=np.float64))
        broken = np.bincount(row, weights=values != np.round(values), minlength=chunk.n_rows)
        fractional.append(broken[wanted] > 0)
    return Totals(rows, np.concatenate(library), np.concatenate(fractional))
