"""Cells that stand on both sides of a split, as copies or nearly so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._mapped import is_mapped, stretches, take_rows

from ._graph import nearest_cells
from ._shuffles import drawn_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["NearCopies", "copies_across", "near_copies_across"]

# Coordinates are float32: a copy that went through another file format differs by a few of its last digits.
_COPY = 1e-5
_N_NEIGHBORS = 12
_FIRST = 3
_LARGEST_RATIO = 0.2
_EXPECTED = 1e-3


def copies_across(z: NDArray[np.float32], test: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (test cell, training cell) with |z_i − z_j| ≤ 1e-5 × the spread of each dimension, one for each test cell that has any.

    Every cell is seen: copies lie side by side when cells are sorted along one random direction.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`.
    test
        `(n_cells,)`.
    """
    mean, spread = _mean_and_spread(z)

    def scaled(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray((rows - mean)[:, spread > 0] / spread[spread > 0])

    # Sorted along the first direction; the second dismisses nearly all that lie side by side there by accident.
    first_way, second_way = np.random.default_rng(0).normal(size=(2, int((spread > 0).sum())))
    line, across = np.empty(len(z)), np.empty(len(z))
    for start, part in stretches(z):
        x = scaled(part)
        line[start : start + len(part)], across[start : start + len(part)] = x @ first_way, x @ second_way
    reach, breadth = (_COPY * float(np.abs(way).sum()) + 1e-12 for way in (first_way, second_way))
    train_cells = np.flatnonzero(~test)
    train_cells = train_cells[np.argsort(line[train_cells], kind="stable")]
    cells = np.flatnonzero(test)
    first = np.searchsorted(line[train_cells], line[cells] - reach)
    stop = np.searchsorted(line[train_cells], line[cells] + reach, side="right")
    found = np.full(len(cells), -1, dtype=np.int64)
    # Windows hold few cells; those of one length are compared at once.
    for step in range(int((stop - first).max(initial=0))):
        open_ = np.flatnonzero((first + step < stop) & (found < 0))
        if not len(open_) or step >= 1_000:
            break
        mates = train_cells[first[open_] + step]
        close = np.abs(across[cells[open_]] - across[mates]) <= breadth
        open_, mates = open_[close], mates[close]
        same = (np.abs(scaled(z[cells[open_]]) - scaled(z[mates])) <= _COPY).all(axis=1)
        found[open_[same]] = mates[same]
    return cells[found >= 0], found[found >= 0]


def _mean_and_spread(z: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each dimension, a stretch at a time."""

    def mean_of(value: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        parts: Iterator[NDArray[np.float64]] = (value(part.astype(np.float64)).sum(axis=0) for _, part in stretches(z))
        return np.asarray(sum(parts, np.zeros(z.shape[1])) / len(z))

    mean = mean_of(lambda x: x)
    rest = mean_of(lambda x: x - mean)
    return mean, np.sqrt(mean_of(lambda x: (x - mean - rest) ** 2))


@dataclass(frozen=True, kw_only=True)
class NearCopies:
    """Result of `near_copies_across`.

    Parameters
    ----------
    n_found, n_searched, n_train
        Test cells with a near copy, test cells that were asked, and training cells among which it was looked for.
    first
        A pair (test cell, training cell), (-1, -1) where none was found.
    n_intrinsic
        Dimension in which distances to neighbours grow.
    """

    n_found: int
    n_searched: int
    n_train: int
    first: tuple[int, int]
    n_intrinsic: float


def near_copies_across(
    z: NDArray[np.float32], test: NDArray[np.bool_], *, n_test: int, n_train: int, rng: np.random.Generator
) -> NearCopies:
    """Count test cells whose nearest training cell is nearer than chance allows, given how far the next ones lie.

    Where density is even around a cell, P(r_1 / r_k < q) = 1 − (1 − q^D)^(k − 1) for the distances r_1 ≤ … ≤ r_k to training
    cells in D dimensions, whatever the density (Levina and Bickel 2004 estimate D from the same distances). A cell counts where
    q < 0.2 and fewer than 0.001 such cells are expected in all.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`.
    test
        `(n_cells,)`.
    n_test, n_train
        At most so many cells of each side are drawn.
    rng
        Draws them.
    """
    queries = drawn_cells(np.flatnonzero(test), n_test, rng)
    among = drawn_cells(np.flatnonzero(~test), n_train, rng)
    k = min(_N_NEIGHBORS, len(among))
    nothing = NearCopies(n_found=0, n_searched=len(queries), n_train=len(among), first=(-1, -1), n_intrinsic=0.0)
    if k < _FIRST + 3 or not len(queries):
        return nothing
    neighbors, distances = _nearest(z, queries, k=k, among=among)
    # Copies beside the first would set the scale; those cells are counted as copies already.
    spread = distances[:, _FIRST - 1] > 0
    if not spread.any():
        return nothing
    r = distances[spread]
    n_intrinsic = _intrinsic(r)
    q = np.minimum(r[:, 0] / r[:, -1], 1.0)
    chance = -np.expm1((k - 1) * np.log1p(-np.minimum(q**n_intrinsic, 1 - 1e-15)))
    near = (q < _LARGEST_RATIO) & (chance * len(r) < _EXPECTED) & (r[:, 0] > 0)
    hits = np.flatnonzero(spread)[near]
    pair = (-1, -1) if not len(hits) else (int(queries[hits[0]]), int(neighbors[hits[0], 0]))
    return NearCopies(
        n_found=len(hits), n_searched=len(queries), n_train=len(among), first=pair, n_intrinsic=float(n_intrinsic)
    )


def _nearest(
    z: NDArray[np.float32], queries: NDArray[np.int64], *, k: int, among: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As `nearest_cells`; of coordinates in a file only those of the cells concerned are fetched."""
    if not is_mapped(z):
        return nearest_cells(z, queries, k=k, among=among)
    cells = np.union1d(queries, among)
    places = (np.searchsorted(cells, each) for each in (queries, among))
    own, pool = places
    neighbors, distances = nearest_cells(take_rows(z, cells), own, k=k, among=pool)
    return cells[neighbors], distances


def _intrinsic(r: NDArray[np.float64]) -> float:
    """D̂ = Σ_j Σ_{i=j}^{k−1} 1/i / mean Σ_j log(r_k / r_j), j from 3, since copies shorten the first distances."""
    k = r.shape[1]
    expected = sum(sum(1.0 / i for i in range(j, k)) for j in range(_FIRST, k))
    logs = np.log(r[:, -1:] / r[:, _FIRST - 1 : -1]).sum(axis=1)
    return float(expected / max(float(np.median(logs)), 1e-12))
