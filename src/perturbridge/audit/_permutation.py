"""Exact permutation tests: labels shuffled inside groups, a thousand times for about the price of one fit."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb, factorial, prod
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from perturbridge._rng import as_rng

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["class_sums", "group_permutation_p", "n_partitions", "p_of", "rank_sums", "separation_p", "whiten"]

_MAX_PARTITIONS = 10_000


@njit(cache=True)
def _shuffle(codes: NDArray[np.int32], starts: NDArray[np.int64], state: np.uint64) -> np.uint64:
    """Fisher-Yates inside each segment, in place, by xorshift64*."""
    for g in range(len(starts) - 1):
        first = starts[g]
        for i in range(starts[g + 1] - 1, first, -1):
            state ^= state >> np.uint64(12)
            state ^= state << np.uint64(25)
            state ^= state >> np.uint64(27)
            high = (state * np.uint64(2685821657736338717)) >> np.uint64(32)
            j = first + np.int64((high * np.uint64(i - first + 1)) >> np.uint64(32))
            codes[i], codes[j] = codes[j], codes[i]
    return state


@njit(cache=True)
def class_sums(  # noqa: PLR0917 - compiled functions take no keyword-only arguments
    values: NDArray[np.float32],
    codes: NDArray[np.int32],
    starts: NDArray[np.int64],
    weights: NDArray[np.float64],
    seeds: NDArray[np.uint64],
) -> NDArray[np.float64]:
    """T_b = Σ_k w_k ‖Σ_{i: c_b(i) = k} x_i‖² for the labels as they are (b = 0) and shuffled inside segments (b ≥ 1)."""
    n, d = values.shape
    out = np.zeros(len(seeds) + 1)
    sums = np.zeros((len(weights), d), dtype=np.float64)
    for b in range(len(seeds) + 1):
        shuffled = codes.copy()
        if b > 0:
            _shuffle(shuffled, starts, seeds[b - 1])
        sums[:] = 0.0
        for i in range(n):
            k = shuffled[i]
            for j in range(d):
                sums[k, j] += values[i, j]
        total = 0.0
        for k in range(len(weights)):
            square = 0.0
            for j in range(d):
                square += sums[k, j] * sums[k, j]
            total += weights[k] * square
        out[b] = total
    return out


@njit(cache=True)
def rank_sums(  # noqa: PLR0917 - compiled functions take no keyword-only arguments
    ranks: NDArray[np.float32],
    codes: NDArray[np.int32],
    starts: NDArray[np.int64],
    weights: NDArray[np.float64],
    seeds: NDArray[np.uint64],
) -> NDArray[np.float64]:
    """R_bp = Σ_i w_{c_b(i)} · rank_{p, c_b(i)}(i), `(n_permutations + 1, n_probes)`; ranks are `(n_cells, n_probes, n_classes)`."""
    n, n_probes, _ = ranks.shape
    out = np.zeros((len(seeds) + 1, n_probes))
    for b in range(len(seeds) + 1):
        shuffled = codes.copy()
        if b > 0:
            _shuffle(shuffled, starts, seeds[b - 1])
        for i in range(n):
            k = shuffled[i]
            for p in range(n_probes):
                out[b, p] += weights[k] * ranks[i, p, k]
    return out


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
    counts = np.bincount(strata).astype(np.float64)
    means = np.stack([np.bincount(strata, weights=column) for column in z.T], axis=1) / counts[:, None]
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
