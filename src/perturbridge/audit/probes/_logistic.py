"""Multinomial logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._classes import spread_classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["logistic_scores"]


def logistic_scores(
    z_train: NDArray[np.float64], codes_train: NDArray[np.int64], z_test: NDArray[np.float64], *, n_classes: int
) -> NDArray[np.float64]:
    """Log softmax_k(zᵀβ_k + b_k), ridge penalty ½‖β‖² (scikit-learn's C = 1), 100 L-BFGS steps at most.

    Parameters
    ----------
    z_train, codes_train
        `(n_train, n_dims)`, `(n_train,)`.
    z_test
        `(n_test, n_dims)`.
    n_classes
        Number of classes.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(codes_train)) < 2:
        return spread_classes(
            np.zeros((len(z_test), 1)), np.unique(codes_train), n_classes=n_classes, n_train=len(codes_train)
        )
    with warnings.catch_warnings():
        # A probe a few steps short of its optimum is still a probe: what it reads is measured on other cells.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=1.0, max_iter=100, tol=1e-3).fit(z_train, codes_train)
    return spread_classes(
        model.predict_log_proba(z_test), model.classes_, n_classes=n_classes, n_train=len(codes_train)
    )
