"""How much one label tells of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cramers_v"]


def cramers_v(table: NDArray[np.int64]) -> float:
    """V = √(φ̃² / min(k̃ − 1, r̃ − 1)), φ̃² = max(0, χ²/n − (k − 1)(r − 1)/(n − 1)): 0 independent, 1 one tells the other.

    Corrected for chance (Bergsma 2013), so that many small perturbations do not look confounded because they are small.

    Parameters
    ----------
    table
        Counts `(r, k)`; empty rows and columns do not count.

    Returns
    -------
    float
        NaN where fewer than two rows or columns hold cells.
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(np.float64)
    n, (r, k) = table.sum(), table.shape
    if min(r, k) < 2 or n < 2:
        return float("nan")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = ((table - expected) ** 2 / expected).sum() / n
    corrected = max(0.0, phi - (k - 1) * (r - 1) / (n - 1))
    sides = k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)
    return float(min(1.0, np.sqrt(corrected / max(min(sides) - 1, 1e-12))))
