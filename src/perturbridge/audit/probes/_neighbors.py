"""Vote of the nearest training cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["N_NEIGHBORS", "neighbor_scores"]

N_NEIGHBORS = 30
_BLOCK = 1024


def neighbor_scores(
    z_train: NDArray[np.float64], codes_train: NDArray[np.int64], z_test: NDArray[np.float64], *, n_classes: int
) -> NDArray[np.float64]:
    """log((votes_k + π_k) / (30 + 1)) among the 30 nearest training cells, π the training shares, so that no class gets zero.

    Parameters
    ----------
    z_train, codes_train
        `(n_train, n_dims)`, `(n_train,)`.
    z_test
        `(n_test, n_dims)`.
    n_classes
        Number of classes.
    """
    k = min(N_NEIGHBORS, len(z_train))
    train, test = z_train.astype(np.float32), z_test.astype(np.float32)
    half_square = 0.5 * (train**2).sum(axis=1)
    prior = np.maximum(np.bincount(codes_train, minlength=n_classes), 0.5) / len(codes_train)
    out = np.empty((len(test), n_classes))
    for start in range(0, len(test), _BLOCK):
        block = test[start : start + _BLOCK]
        order = (
            half_square - block @ train.T
        )  # half the squared distance, less what is the same for every training cell
        nearest = np.argpartition(order, k - 1, axis=1)[:, :k] if k < len(train) else np.argsort(order, axis=1)
        rows = np.repeat(np.arange(len(block)), k) * n_classes
        votes = np.bincount(rows + codes_train[nearest].ravel(), minlength=len(block) * n_classes)
        out[start : start + _BLOCK] = np.log((votes.reshape(len(block), n_classes) + prior) / (k + 1))
    return out
