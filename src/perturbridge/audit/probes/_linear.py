"""Linear discriminant with shrunken pooled covariance: closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

from perturbridge.numerics import group_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["linear_scores"]


def linear_scores(
    z_train: NDArray[np.float64], codes_train: NDArray[np.int64], z_test: NDArray[np.float64], *, n_classes: int
) -> NDArray[np.float64]:
    """Log softmax_k(zᵀΣ⁻¹μ_k − ½ μ_kᵀΣ⁻¹μ_k + log π_k), Σ the pooled within-class covariance, shrunk by 1e-3 of its mean diagonal.

    Parameters
    ----------
    z_train, codes_train
        `(n_train, n_dims)`, `(n_train,)`.
    z_test
        `(n_test, n_dims)`.
    n_classes
        Number of classes; one that has no training cell gets the prior of half a cell and the overall mean.
    """
    means, counts = group_means(z_train, codes_train, n_groups=n_classes)
    within = z_train - means[codes_train]
    covariance = within.T @ within / max(len(z_train) - int((counts > 0).sum()), 1)
    shrunk = covariance + (1e-3 * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))
    directions = np.linalg.solve(shrunk, means.T)
    prior = np.log(np.maximum(counts, 0.5) / len(codes_train))
    offset = prior - 0.5 * (means * directions.T).sum(axis=1)
    return np.asarray(log_softmax(z_test @ directions + offset, axis=1))
