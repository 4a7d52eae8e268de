"""Columns for classes that a training fold did not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["spread_classes"]


def spread_classes(
    log_p: NDArray[np.float64], present: NDArray[np.integer], *, n_classes: int, n_train: int
) -> NDArray[np.float64]:
    """Put the columns of the classes present in their places; an absent class gets the probability of half a cell.

    Parameters
    ----------
    log_p
        Log-probabilities `(n_test, n_present)`.
    present
        Class of each column.
    n_classes, n_train
        Number of classes, of training cells.
    """
    floor = np.log(0.5 / (n_train + 1))
    out = np.full((len(log_p), n_classes), floor)
    out[:, present] = np.maximum(log_p, floor - 5.0)
    return out
