"""The latent that every audit makes: principal components of the counts, with what else the same passes give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._mapped import give_back, room
from perturbridge.errors import DataError
from perturbridge.numerics import streaming_pca
from perturbridge.screens import log_rows
from perturbridge.values import Finding, FittedStep, Latent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from perturbridge.values import Screen

__all__ = ["Reference", "reference_of"]

N_COMPONENTS, N_GENES = 16, 2000


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference:
    """A PCA of the counts, and what else the same passes over them give.

    Parameters
    ----------
    latent
        Principal components of log1p CP10k.
    library_size
        Counts per cell `(n_cells,)`; None where the file holds logarithms alone.
    explanation
        How it was made, one sentence.
    """

    latent: Latent
    library_size: NDArray[np.float64] | None
    explanation: str


def reference_of(screen: Screen, *, progress: Callable[[int, int], None] | None = None) -> Reference:
    """Principal components z = (x − mean) · Vᵀ of x = log1p CP10k of the 2,000 genes of greatest variance, 16 of them.

    Genes and components are chosen on all cells: the reference says what could be read from these cells, and is no model to be
    tested. Three passes over the cells, in flat memory.

    Parameters
    ----------
    screen
        Counts or log1p values.
    progress
        Called with cells read and cells in all, over all passes.

    Raises
    ------
    DataError
        If no gene varies.
    """
    n = screen.n_cells
    seen = 0

    def stretches() -> Iterator[tuple[int, csr_matrix[np.float64], NDArray[np.float64]]]:
        nonlocal seen
        for part in log_rows(screen):
            seen += len(part.totals)
            if progress is not None:
                progress(seen, 3 * n)
            yield part.start, part.values, part.totals

    pca = streaming_pca(lambda: (values for _, values, _ in stretches()), n_components=N_COMPONENTS, n_features=N_GENES)
    if pca is None:
        problem = f"No gene of {screen.source.description} varies over its {n:,} cells."
        raise DataError(problem, cure="Name a latent to audit (--rep), or the place that holds counts (--place).")
    z = room((n, len(pca.components)), np.float32)
    totals = np.empty(n)
    for start, values, counted in stretches():
        z[start : start + len(counted)] = pca.project(values)
        totals[start : start + len(counted)] = counted
        give_back(z)
    share = pca.variance.sum() / pca.total_variance
    name = f"PCA-{len(pca.components)}"
    explanation = (
        f"{name} of log1p CP{screen.normalization.target_sum:,.0f}: the {len(pca.columns):,} genes of greatest variance (of "
        f"{screen.n_genes:,}), chosen and fitted on all {n:,} cells, {share:.0%} of their variance."
    )
    counts = screen.normalization.kind == "counts"
    empty = int((totals <= 0).sum())
    latent = Latent(
        z=z,
        name=name,
        made_by=explanation,
        steps=tuple(FittedStep(name=step, rows="all", n_cells=n) for step in ("gene choice", "PCA")),
        findings=(_empty(empty, int(np.argmax(totals <= 0))),) if empty else (),
    )
    return Reference(latent=latent, library_size=totals if counts else None, explanation=explanation)


def _empty(n_empty: int, first: int) -> Finding:
    message = (
        f"{n_empty:,} cells have no counts; their normalized values are 0 (the first is cell {first}, counted from 0)."
    )
    return Finding(level="warning", code="empty_cells", message=message, count=n_empty)
