"""Exact permutation tests: labels shuffled inside groups, a thousand times for about the price of one fit."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb, factorial, prod
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import as_rng
from perturbridge.numerics import group_means

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["group_permutation_p", "n_partitions", "p_of", "seeds_of", "separation_p", "whiten"]

_MAX_PARTITIONS = 10_000


def seeds_of(rng: np.random.Generator, n: int) -> NDArray[np.uint64]:
    """Draw seeds for `n` permutations; xorshift must not start at 0."""
    return rng.integers(1, 2**64 - 1, size=n, dtype=np.uint64)


def p_of(statistics: NDArray[np.float64]) -> float:
    """(1 + #{T_b ≥ T_0, b ≥ 1}) / (1 + B); ties up to rounding count against the finding."""
    slack = 1e-9 * abs(float(statistics[0]))
    return float((1 + (statistics[1:] >= statistics[0] - slack).sum()) / len(statistics))


def whiten(z: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centre inside strata and scale to unit pooled covariance (shrunk by 1e-3 of its mean diagonal); knows no context.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`.
    strata
        Codes `0 … n_strata − 1` `(n_cells,)`.
    """
    means, counts = group_means(z, strata, n_groups=int(strata.max()) + 1)
    centred = z - means[strata]
    covariance = centred.T @ centred / max(len(z) - len(counts), 1)
    shrunk = covariance + (1e-3 * np.trace(covariance) / len(covariance) + 1e-12) * np.eye(len(covariance))
    return np.asarray(np.linalg.solve(np.linalg.cholesky(shrunk), centred.T).T)


def separation_p(
    z: NDArray[np.float64],
    codes: NDArray[np.integer],
    strata: NDArray[np.int64],
    *,
    n_permutations: int,
    seed: int | np.random.Generator,
) -> tuple[float, float]:
    """Exact p-value of the separation of classes along any line: Pillai's trace Σ_k ‖Σ_{i in k} w_i‖²/n_k under shuffling in strata.

    w are coordinates whitened inside strata, which does not involve the labels, so that labels exchangeable inside strata give an
    exact test; one shared whitening serves every permutation.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`.
    codes, strata
        Class and stratum of each cell `(n_cells,)`.
    n_permutations
        Shuffles beside the labels as they are.
    seed
        Draws the shuffles.

    Returns
    -------
    tuple of float
        p-value, and the smallest one these strata and permutations could give.
    """
    from ._kernels import class_sums

    order = np.argsort(strata, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(strata[order]))].astype(np.int64)
    white = whiten(z, strata)[order].astype(np.float32)
    weights = 1.0 / np.maximum(np.bincount(codes), 1)
    drawn = class_sums(white, codes[order].astype(np.int32), starts, weights, seeds_of(as_rng(seed), n_permutations))
    return p_of(drawn), _attainable(codes[order], starts, n_permutations)


def _attainable(codes: NDArray[np.integer], starts: NDArray[np.int64], n_permutations: int) -> float:
    """1 / (1 + B), or 1 / number of distinct arrangements where those are fewer."""
    arrangements = 1
    for first, stop in pairwise(starts):
        counts = np.bincount(codes[first:stop])
        counts = counts[counts > 0]
        if len(counts) > 1:
            if stop - first > 20:
                return 1 / (1 + n_permutations)
            arrangements *= factorial(int(stop - first)) // prod(factorial(int(c)) for c in counts)
        if arrangements > n_permutations:
            return 1 / (1 + n_permutations)
    return 1 / arrangements


def n_partitions(sizes: tuple[int, ...]) -> int:
    """Number of ways to share Σ sizes samples among contexts of these sizes, contexts of equal size being exchangeable."""
    total, ways = sum(sizes), 1
    for size in sizes:
        ways *= comb(total, size)
        total -= size
    return ways // prod(factorial(sizes.count(size)) for size in set(sizes))


def _partitions(sizes: tuple[int, ...]) -> Iterator[NDArray[np.int64]]:
    """Yield every assignment of samples to contexts of these sizes, equal contexts swapped included."""

    def fill(free: tuple[int, ...], k: int) -> Iterator[dict[int, int]]:
        if k == len(sizes):
            yield {}
            return
        for chosen in combinations(free, sizes[k]):
            rest = tuple(i for i in free if i not in chosen)
            for tail in fill(rest, k + 1):
                yield {**dict.fromkeys(chosen, k), **tail}

    n = sum(sizes)
    for assignment in fill(tuple(range(n)), 0):
        yield np.array([assignment[i] for i in range(n)], dtype=np.int64)


def group_permutation_p(
    means: NDArray[np.float64], codes: NDArray[np.integer], *, n_permutations: int, seed: int | np.random.Generator
) -> tuple[float, float]:
    """p-value of the separation of contexts when whole samples are dealt anew: Σ_k ‖Σ_{s in k} m_s‖² / G_k over sample means m.

    Every assignment is listed where there are at most 10,000 distinct ones, else drawn.

    Parameters
    ----------
    means
        Mean of each sample, centred over samples `(n_samples, n_dims)`.
    codes
        Context of each sample `(n_samples,)`.
    n_permutations
        Drawn assignments where there are too many to list.
    seed
        Draws them.

    Returns
    -------
    tuple of float
        p-value; and 1 / number of distinct assignments, below which no p-value of this design can lie.
    """
    centred = means - means.mean(axis=0)
    sizes = tuple(int(c) for c in np.bincount(codes))
    n_distinct = n_partitions(sizes)
    observed = _between(centred, np.asarray(codes, dtype=np.int64), sizes)
    slack = 1e-9 * abs(observed)
    n_swaps = prod(factorial(sizes.count(size)) for size in set(sizes))
    if n_distinct * n_swaps <= _MAX_PARTITIONS:
        hits = [_between(centred, codes_b, sizes) >= observed - slack for codes_b in _partitions(sizes)]
        return float(np.mean(hits)), 1 / n_distinct
    rng = as_rng(seed)
    drawn = [_between(centred, rng.permutation(codes), sizes) >= observed - slack for _ in range(n_permutations)]
    return float((1 + np.sum(drawn)) / (1 + n_permutations)), max(1 / n_distinct, 1 / (1 + n_permutations))


def _between(means: NDArray[np.float64], codes: NDArray[np.int64], sizes: tuple[int, ...]) -> float:
    one_hot = np.eye(len(sizes))[codes]
    return float((((one_hot.T @ means) ** 2).sum(axis=1) / np.maximum(sizes, 1)).sum())
