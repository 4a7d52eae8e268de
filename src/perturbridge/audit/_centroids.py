"""How far apart the centroids of contexts lie, freed of the distance that sampling alone puts between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import group_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["centroid_shifts"]


def centroid_shifts(
    z: NDArray[np.float64], codes: NDArray[np.integer], strata: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """s²_ab = Σ_s h_s (‖m_sa − m_sb‖² − v/n_sa − v/n_sb) / (v Σ_s h_s), with h_s = n_sa n_sb / (n_sa + n_sb).

    v is the pooled within-group variance summed over dimensions, so that s_ab counts in within-spreads; without a context effect
    s²_ab has mean 0 and may be negative. Contexts are compared inside strata only.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`.
    codes, strata
        Context and stratum of each cell, `0 … n − 1` `(n_cells,)`.

    Returns
    -------
    tuple of NDArray
        s² and Σ_s h_s, both `(n_contexts, n_contexts)`; s² is NaN where no stratum holds both contexts or nothing varies.
    """
    n_contexts, n_strata = int(codes.max()) + 1, int(strata.max()) + 1
    means, sizes = group_means(z, strata * n_contexts + codes, n_groups=n_strata * n_contexts)
    squares = float(((z - means[strata * n_contexts + codes]) ** 2).sum())
    freedom = len(z) - int((sizes > 0).sum())
    spread = squares / freedom if freedom > 0 else 0.0
    total, weight = np.zeros((n_contexts, n_contexts)), np.zeros((n_contexts, n_contexts))
    for stratum in range(n_strata):
        rows = slice(stratum * n_contexts, (stratum + 1) * n_contexts)
        n, m = sizes[rows], means[rows]
        here = np.flatnonzero(n)
        if len(here) < 2:
            continue
        n, m = n[here], m[here]
        squared = np.square(m[:, None, :] - m[None, :, :]).sum(axis=2) - spread * (1 / n[:, None] + 1 / n[None, :])
        h = n[:, None] * n[None, :] / (n[:, None] + n[None, :])
        total[np.ix_(here, here)] += h * squared
        weight[np.ix_(here, here)] += h
    np.fill_diagonal(total, 0.0)
    unit = spread * weight
    return np.divide(total, unit, out=np.full_like(total, np.nan), where=unit > 0), weight
