"""Real and predicted cells in principal components of training cells."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import spawn
from perturbridge.values import CONTROL_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from perturbridge.values import PerturbationName, Screen

    Cloud = NDArray[np.float64]

__all__ = ["paired_clouds", "stretches_of_cells", "values_of_cells"]

_N_DIMS = 20
_BASIS_CELLS = 2000
_CLOUD_CELLS = 200
_ROWS_PER_READ = 1024


def paired_clouds(
    real: Screen,
    predicted: Screen,
    perturbations: Sequence[PerturbationName],
    *,
    seed: int,
) -> Mapping[PerturbationName, tuple[Cloud, Cloud]]:
    """Return up to 200 real and 200 predicted cells of each perturbation in 20 principal components.

    The components are those of up to 2,000 cells that are not of these perturbations: controls and training perturbations.

    Parameters
    ----------
    real, predicted
        Screens over the same genes in any order.
    perturbations
        Those to return.
    seed
        Draws the cells.
    """
    rngs = spawn(seed, 3)
    wanted = set(perturbations)
    scored = np.array([name in wanted for name in real.perturbations] + [False, False], dtype=np.bool_)
    usable = (real.perturbation_codes >= CONTROL_CODE) & ~scored[real.perturbation_codes]
    basis_rows = _drawn(np.flatnonzero(usable), rngs[0], most=_BASIS_CELLS)
    basis = values_of_cells(real, basis_rows)
    center = basis.mean(axis=0)
    axes = np.linalg.svd(basis - center, full_matrices=False)[2][:_N_DIMS].T
    place = {gene: i for i, gene in enumerate(real.genes)}
    order = np.array([place[gene] for gene in predicted.genes], dtype=np.int64)
    first = _clouds(real, perturbations, rngs[1], axes=axes, center=center)
    second = _clouds(predicted, perturbations, rngs[2], axes=axes[order], center=center[order])
    return {name: (first[name], second[name]) for name in perturbations if name in first and name in second}


def _drawn(rows: NDArray[np.int64], rng: np.random.Generator, *, most: int) -> NDArray[np.int64]:
    return np.sort(rng.choice(rows, size=most, replace=False)) if len(rows) > most else rows


def _clouds(
    screen: Screen, perturbations: Sequence[PerturbationName], rng: np.random.Generator, *, axes: Cloud, center: Cloud
) -> dict[PerturbationName, Cloud]:
    position = {name: i for i, name in enumerate(screen.perturbations)}
    chosen = {
        name: _drawn(np.flatnonzero(screen.perturbation_codes == position[name]), rng, most=_CLOUD_CELLS)
        for name in perturbations
        if name in position
    }
    rows = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *chosen.values()]))
    projected = np.concatenate(
        [np.zeros((0, axes.shape[1])), *(part @ axes - center @ axes for part in stretches_of_cells(screen, rows))]
    )
    return {name: projected[np.searchsorted(rows, own)] for name, own in chosen.items()}


def values_of_cells(screen: Screen, rows: NDArray[np.int64]) -> Cloud:
    """Return log1p-CP10k of these cells `(n_rows, n_genes)`; rows ascending."""
    return np.concatenate([part.toarray() for part in stretches_of_cells(screen, rows)])


def stretches_of_cells(screen: Screen, rows: NDArray[np.int64]) -> Iterator[csr_matrix[np.float64]]:
    """Yield log1p-CP10k of some cells, ascending, a thousand cells of the file at a time, without the zeros."""
    starts = np.arange(0, screen.n_cells + _ROWS_PER_READ, _ROWS_PER_READ)
    for low, high in pairwise(np.searchsorted(rows, starts)):
        if low < high:
            yield _logged(screen, rows[low:high])


def _logged(screen: Screen, rows: NDArray[np.int64]) -> csr_matrix[np.float64]:
    from scipy import sparse

    low, high = int(rows[0]), int(rows[-1]) + 1
    chunk = screen.source.read_rows(low, high)
    data = np.asarray(chunk.data, dtype=np.float64)
    read = sparse.csr_matrix((data, chunk.indices, chunk.indptr), shape=(high - low, screen.n_genes))
    own = read[rows - low]
    if screen.normalization.kind == "counts":
        total = np.asarray(own.sum(axis=1)).ravel()
        each = np.repeat(np.where(total > 0, total, 1.0), np.diff(own.indptr))
        own.data = np.log1p(own.data * screen.normalization.target_sum / each)
    return own
