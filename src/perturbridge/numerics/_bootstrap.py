"""Intervals and tests for means over perturbations, by resampling; every column shares one matrix of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from perturbridge._rng import as_rng

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["bca_interval", "bootstrap_means", "sign_flip_test", "sum_by_cluster"]

_EXACT_ROWS = 14  # 2^14 sign patterns cost no more than the drawn ones
_CHUNK_ENTRIES = 1 << 21


def _counts(rng: np.random.Generator, n_rows: int, *, n_resamples: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield how often each row was drawn `(n_drawn, n_rows)`, a chunk of resamples at a time."""
    size = max(1, _CHUNK_ENTRIES // n_rows)
    for start in range(0, n_resamples, size):
        n = min(size, n_resamples - start)
        drawn = rng.integers(0, n_rows, size=(n, n_rows)) + n_rows * np.arange(n)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n * n_rows).reshape(n, n_rows)
        yield slice(start, start + n), counts.astype(np.float64)


def _weights(counts: NDArray[np.float64], clusters: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Turn how often each cluster was drawn into how often each row was: the product over its clusters `(n_drawn, n_rows)`."""
    if clusters is None:
        return counts
    padded = np.concatenate([counts, np.ones((len(counts), 1))], axis=1)
    return np.asarray(np.prod([padded[:, column] for column in clusters.T], axis=0), dtype=np.float64)


def sum_by_cluster(values: NDArray[np.floating], clusters: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Sum the defined rows of each cluster `(n_clusters, n_columns)`; a row of several clusters counts in each of them.

    Parameters
    ----------
    values
        `(n_rows, n_columns)`, NaN where undefined.
    clusters
        `(n_rows, most)`: clusters of each row, filled up with -1; None: every row is its own.

    Returns
    -------
    NDArray
        NaN where no row of a cluster is defined.
    """
    x = np.asarray(values, dtype=np.float64)
    if clusters is None:
        return x
    defined = np.isfinite(x)
    total = np.zeros((int(clusters.max(initial=-1)) + 1, x.shape[1]))
    count = np.zeros(total.shape, dtype=np.int64)
    for column in clusters.T:
        there = column >= 0
        np.add.at(total, column[there], np.where(defined, x, 0.0)[there])
        np.add.at(count, column[there], defined[there])
    return np.where(count > 0, total, np.nan)


def bootstrap_means(
    values: NDArray[np.floating],
    *,
    n_resamples: int,
    seed: int | np.random.Generator,
    clusters: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """mean*_r = Σ_i w_ri x_i / Σ_i w_ri over the rows i where x is defined; w_r counts how often resample r drew each row.

    Parameters
    ----------
    values
        `(n_rows, n_columns)`, NaN where undefined. All columns share the same draws, so that differences of columns stay paired.
    n_resamples
        Number of resamples.
    seed
        Draws the rows.
    clusters
        `(n_rows, most)`: what is drawn instead of rows, numbered from 0, each row with one or more of them and filled up with -1.
        A row is drawn as often as the product of its clusters, as in the node bootstrap of Snijders and Borgatti (1999): rows that
        share a cluster stay together, and for a row of two clusters the variance comes out too large rather than too small.

    Returns
    -------
    NDArray
        `(n_resamples, n_columns)`; NaN where a resample drew no defined row.
    """
    x = np.asarray(values, dtype=np.float64)
    defined = np.isfinite(x)
    complete = bool(defined.all())
    filled = x if complete else np.where(defined, x, 0.0)
    out = np.full((n_resamples, x.shape[1]), np.nan)
    if not len(x):
        return out
    n_units = len(x) if clusters is None else int(clusters.max()) + 1
    for rows, counts in _counts(as_rng(seed), n_units, n_resamples=n_resamples):
        weights = _weights(counts, clusters)
        n_defined = float(len(x)) if complete and clusters is None else weights @ defined
        with np.errstate(invalid="ignore", divide="ignore"):
            out[rows] = weights @ filled / n_defined
    return out


def bca_interval(
    estimate: NDArray[np.floating],
    *,
    resamples: NDArray[np.floating],
    influence: NDArray[np.floating],
    confidence: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles of the resamples at Φ(z0 + (z0 ± z) / (1 − a (z0 ± z))), with z = t_{n−1} · √(n / (n−1)).

    Bias correction z0 and acceleration a as in Efron (1987); the normal quantile is widened as in Hesterberg (2015), without
    which intervals from ten or twenty rows are too short. Bounds never leave the range of the resampled values.

    Parameters
    ----------
    estimate
        `(n_columns,)`.
    resamples
        The estimate on each resample `(n_resamples, n_columns)`.
    influence
        First-order change of the estimate with the weight of each row, up to one factor per column `(n_rows, n_columns)`;
        for a mean the deviations from it, summed by cluster where clusters were drawn. NaN where the row has no part in the estimate.
    confidence
        Coverage wanted, between 0 and 1.

    Returns
    -------
    tuple of NDArray
        Lower and upper bound `(n_columns,)`; NaN for fewer than two rows, or where no resample is defined.
    """
    low, high = np.full(estimate.shape, np.nan), np.full(estimate.shape, np.nan)
    defined = np.isfinite(influence)
    n_rows = defined.sum(axis=0)
    known = (n_rows > 1) & np.isfinite(estimate) & np.isfinite(resamples).any(axis=0)
    for j in np.flatnonzero(known):
        drawn = np.sort(resamples[:, j][np.isfinite(resamples[:, j])])
        slack = 1e-12 * max(abs(float(drawn[0])), abs(float(drawn[-1])))
        below = np.searchsorted(drawn, estimate[j] - slack) + np.searchsorted(drawn, estimate[j] + slack, side="right")
        share = np.clip(below / (2 * len(drawn)), 0.5 / len(drawn), 1 - 0.5 / len(drawn))
        shift = ndtri(share)
        pull = influence[defined[:, j], j]
        spread = float((pull**2).sum())
        acceleration = float((pull**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
        n = float(n_rows[j])
        z = float(stdtrit(n - 1, (1 + confidence) / 2)) * np.sqrt(n / (n - 1))
        low[j], high[j] = np.quantile(
            drawn, [_adjusted(shift - z, shift, acceleration), _adjusted(shift + z, shift, acceleration)]
        )
    return low, high


def _adjusted(shifted: float, shift: float, acceleration: float) -> float:
    """Level of the quantile to read; 0 or 1 where the correction has run out of the resamples' range."""
    bend = 1 - acceleration * shifted
    return float(ndtr(shift + shifted / bend)) if bend > 0 else float(shifted > 0)


def _flipped_units(
    rows: NDArray[np.float64], clusters: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums that are flipped `(n_clusters, n_columns)`, and by how much the observed sum shrinks `(n_columns,)`."""
    if clusters is None:
        return rows, np.ones(rows.shape[1])
    k = (clusters >= 0).sum(axis=1)[:, None]
    split = sum_by_cluster(rows / np.sqrt(k), clusters)
    if (k == 1).all():
        return split, np.ones(rows.shape[1])
    full = (sum_by_cluster(rows, clusters) ** 2).sum(axis=0) - ((k - 1) * rows**2).sum(axis=0)
    part = (split**2).sum(axis=0)
    shrink = np.ones(rows.shape[1])
    np.divide(part, full, out=shrink, where=full > part)
    return split, np.sqrt(shrink)


def sign_flip_test(
    differences: NDArray[np.floating],
    *,
    n_resamples: int,
    seed: int | np.random.Generator,
    clusters: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(|Σ_i s_i d_i| ≥ |Σ_i d_i|) over random signs s: two-sided, exact where n_rows ≤ 14, else (1 + hits) / (1 + n_resamples).

    With clusters the signs are those of clusters, so that rows which share one are flipped together. A row of k clusters enters each
    of them with 1 / √k; where that leaves covariance of rows that share a cluster out, the observed sum is made smaller by
    √(V_split / V), V = Σ_c (Σ_{i in c} d_i)² − Σ_i (k_i − 1) d_i² the variance that counts each pair of such rows in full.

    Parameters
    ----------
    differences
        Paired differences `(n_rows, n_columns)`; NaN where a pair is undefined, which then has no part.
    n_resamples
        Sign patterns to draw where there are too many to list.
    seed
        Draws the signs.
    clusters
        As in `bootstrap_means`.

    Returns
    -------
    tuple of NDArray
        p `(n_columns,)`, NaN where no pair is defined; and the smallest p that could have come out.
    """
    rows = np.where(np.isfinite(differences), differences, 0.0)
    d, shrink = _flipped_units(rows, clusters)
    observed = shrink * np.abs(rows.sum(axis=0)) - 1e-12 * np.abs(rows).sum(axis=0)
    n_rows, n_columns = d.shape
    exact = n_rows <= _EXACT_ROWS
    hits = np.zeros(n_columns)
    n_patterns = 2**n_rows if exact else n_resamples
    rng = as_rng(seed)
    size = max(1, _CHUNK_ENTRIES // max(n_rows, 1))
    for start in range(0, n_patterns, size):
        n = min(size, n_patterns - start)
        if exact:
            bits = (np.arange(start, start + n)[:, None] >> np.arange(n_rows)) & 1
        else:
            bits = rng.integers(0, 2, size=(n, n_rows), dtype=np.int8)
        hits += (np.abs((2.0 * bits - 1.0) @ d) >= observed).sum(axis=0)
    p = hits / n_patterns if exact else (1 + hits) / (1 + n_patterns)
    finest = np.minimum(2.0 ** (1 - np.count_nonzero(d, axis=0).astype(np.float64)), 1.0)
    resolution = finest if exact else np.maximum(finest, 1 / (1 + n_patterns))
    undefined = ~np.isfinite(differences).any(axis=0)
    return np.where(undefined, np.nan, p), np.where(undefined, np.nan, resolution)
