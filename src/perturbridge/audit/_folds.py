"""Which cells are read by a probe that was fitted on which others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["held_out_sample_folds", "random_folds", "subsample"]


def subsample(codes: NDArray[np.int64], n_kept: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw at most `n_kept` cells, each class in its share but with at least 50 cells of each where it has them; sorted rows."""
    n = len(codes)
    if n <= n_kept:
        return np.arange(n)
    counts = np.bincount(codes)
    share = n_kept * counts / n
    wanted = np.minimum(counts, np.maximum(np.round(share), min(50, n_kept // max(len(counts), 1)))).astype(np.int64)
    order = rng.permutation(n)
    order = order[np.argsort(codes[order], kind="stable")]
    rank = np.arange(n) - np.r_[0, np.cumsum(counts)][codes[order]]
    return np.sort(order[rank < wanted[codes[order]]])


def random_folds(
    codes: NDArray[np.int64], strata: NDArray[np.int64], *, n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal the cells of each class and stratum to folds in turn, from a random start `(n_cells,)`."""
    order = rng.permutation(len(codes))
    joint = strata[order] * (int(codes.max()) + 1) + codes[order]
    order = order[np.argsort(joint, kind="stable")]
    # One running count over the sorted cells keeps folds of equal size; within a class and stratum it still deals in turn.
    folds = np.empty(len(codes), dtype=np.int64)
    folds[order] = (np.arange(len(codes)) + int(rng.integers(n_folds))) % n_folds
    return folds


def held_out_sample_folds(
    samples: NDArray[np.int64], context_of_sample: NDArray[np.int64], rng: np.random.Generator, *, crossed: bool
) -> NDArray[np.int64]:
    """Fold of each sample, so that a fold never splits one `(n_samples,)`.

    Nested samples: every fold holds samples of every context together, as many folds as the context of fewest samples has; held out
    one at a time, the pooled AUC of no effect lies far below ½ (.15 to .32). Crossed: up to five folds of whole samples.

    Parameters
    ----------
    samples
        Codes of the samples `(n_samples,)`.
    context_of_sample
        Context of each sample, of no use where crossed `(n_samples,)`.
    rng
        Deals them.
    crossed
        Whether samples hold several contexts each.
    """
    folds = np.zeros(len(samples), dtype=np.int64)
    if crossed:
        folds[rng.permutation(len(samples))] = np.arange(len(samples)) % min(5, len(samples))
        return folds
    n_folds = int(np.bincount(context_of_sample).min())
    for k in np.unique(context_of_sample):
        members = np.flatnonzero(context_of_sample == k)
        folds[rng.permutation(members)] = np.arange(len(members)) % n_folds
    return folds
