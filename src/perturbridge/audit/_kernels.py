"""The compiled loops of the permutation tests; imported only when one is made, since the compiler takes a moment to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["class_sums", "rank_sums"]


def _shuffle_plain(codes: NDArray[np.int32], starts: NDArray[np.int64], state: np.uint64) -> np.uint64:
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


_shuffle = compiled(_shuffle_plain)


def _class_sums(  # noqa: PLR0917 - compiled functions take no keyword-only arguments
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


def _rank_sums(  # noqa: PLR0917 - compiled functions take no keyword-only arguments
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


class_sums = compiled(_class_sums)
rank_sums = compiled(_rank_sums)
