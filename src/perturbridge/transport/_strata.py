"""Strata that plans never cross: states where cells have labels, clusters of the controls where they have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._kernel import costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cluster_controls", "settled_clusters"]

_MAX_CLUSTERS = 8
_SAMPLE = 2_000
_STARTS = 3
_ITERATIONS = 15
_ROUNDS = 10
# Cells of the control composition that are added to each cluster when its displacement is estimated.
_PRIOR_CELLS = 10.0


def cluster_controls(x: NDArray[np.float64], *, n_clusters: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres of k-means clusters `(n_clusters, n_dims)`, sorted by their first coordinate.

    Parameters
    ----------
    x
        Centred controls.
    n_clusters
        How many; 0: the number among 1 to 8 with the least n ln |W| − 2 n Σ π ln π + k d ln n, W the covariance within clusters and π
        their shares: the integrated classification likelihood of Gaussians of one shape (Biernacki, Celeux & Govaert 2000).
    rng
        Draws the starts.
    """
    sample = x if len(x) <= _SAMPLE else x[rng.choice(len(x), _SAMPLE, replace=False)]
    most = len(np.unique(sample, axis=0))
    wanted = [n_clusters] if n_clusters else [k for k in range(1, _MAX_CLUSTERS + 1) if len(sample) >= 50 * k]
    best, least = sample.mean(axis=0, keepdims=True), np.inf
    for k in wanted:
        centres, codes = _kmeans(sample, min(k, most), rng)
        score = _criterion(sample, centres, codes)
        if score < least or len(wanted) == 1:
            best, least = centres, score
    return np.asarray(best[np.lexsort(best.T[::-1])])


def _kmeans(x: NDArray[np.float64], k: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The best of a few starts; clusters that ran empty are dropped."""
    from scipy.cluster.vq import ClusterError, kmeans2

    centres, codes = x.mean(axis=0, keepdims=True), np.zeros(len(x), dtype=np.int64)
    least = np.inf
    for start in rng.spawn(_STARTS) if k > 1 else ():
        try:
            found, member = kmeans2(x, k, minit="++", seed=start, iter=_ITERATIONS, missing="raise")
        except ClusterError:
            continue
        within = float(((x - found[member]) ** 2).sum())
        if within < least:
            centres, codes, least = np.asarray(found, dtype=np.float64), np.asarray(member, dtype=np.int64), within
    return centres, codes


def _criterion(x: NDArray[np.float64], centres: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    n, d = x.shape
    apart = x - centres[codes]
    # A thousandth of the mean variance keeps the determinant of constant dimensions away from 0.
    within = apart.T @ apart / n + 1e-3 * float(x.var(axis=0).mean()) * np.eye(d)
    _, logdet = np.linalg.slogdet(within)
    shares = np.bincount(codes, minlength=len(centres)) / n
    shares = shares[shares > 0]
    entropy = -2.0 * n * float((shares * np.log(shares)).sum())
    return float(n * logdet + entropy + len(centres) * d * np.log(n))


def settled_clusters(
    y: NDArray[np.float64], *, centres: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Cluster of each perturbed cell, judged from where it would have been without its perturbation `(n_cells,)`.

    Clusters and their displacements are found in turn: a cell goes to the cluster whose displaced centre is nearest, and the
    displacement of a cluster is the mean of its cells, drawn towards that of all clusters by ten cells.

    Parameters
    ----------
    y
        Centred perturbed cells.
    centres
        Of the controls' clusters `(n_clusters, n_dims)`.
    shares
        Share of the controls in each `(n_clusters,)`.
    """
    k = len(centres)
    if k == 1 or not len(y):
        return np.zeros(len(y), dtype=np.int64)
    codes = costs(y, centres).argmin(axis=1)
    for _ in range(_ROUNDS):
        n = np.bincount(codes, minlength=k).astype(np.float64)
        sums = np.stack([y[codes == i].sum(axis=0) for i in range(k)]) - n[:, None] * centres
        common = (sums / np.maximum(n, 1.0)[:, None])[n > 0].T @ (
            shares[n > 0] / max(float(shares[n > 0].sum()), 1e-12)
        )
        shifts = (sums + _PRIOR_CELLS * common) / (n + _PRIOR_CELLS)[:, None]
        new = costs(y, centres + shifts).argmin(axis=1)
        if (new == codes).all():
            break
        codes = new
    return np.asarray(codes, dtype=np.int64)
