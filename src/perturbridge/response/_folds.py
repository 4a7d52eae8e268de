"""Held-out predictions: every perturbation from a base that was chosen and fitted without its fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._ridge import fit_ridge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding, PerturbationName

    from ._ridge import RowRidge
    from ._settings import ResponseSettings

__all__ = ["CrossFit", "cross_fit"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossFit:
    """Weights of training rows in the held-out prediction of each.

    Parameters
    ----------
    folds
        Rows of each fold.
    ridges
        Fitted on the rest, one per fold.
    weights
        `(n_parts, n_rows, n_rows)`, 0 within a fold.
    average
        The same for the mean effect alone `(n_rows, n_rows)`.
    """

    folds: tuple[NDArray[np.int64], ...]
    ridges: tuple[RowRidge, ...]
    weights: NDArray[np.float64]
    average: NDArray[np.float64]


def cross_fit(
    names: Sequence[PerturbationName],
    parts: Sequence[NDArray[np.float64]],
    sources: Sequence[GeneEmbedding],
    *,
    weights: NDArray[np.float64],
    settings: ResponseSettings,
    rng: np.random.Generator,
) -> CrossFit:
    """Draw folds over perturbations and fit without each; shares and penalties are chosen within.

    The parameters are those of `fit_ridge`.
    """
    n = len(names)
    folds = tuple(np.sort(part) for part in np.array_split(rng.permutation(n), min(settings.folds, n)))
    out, average, ridges = np.zeros((len(parts), n, n)), np.zeros((n, n)), []
    for held in folds:
        rest = np.setdiff1d(np.arange(n), held)
        ridge, _ = fit_ridge(
            [names[i] for i in rest],
            [part[rest] for part in parts],
            sources,
            weights=weights[rest],
            settings=settings,
        )
        asked = [names[i] for i in held]
        out[:, held[:, None], rest] = ridge.row_weights(asked)
        average[held[:, None], rest] = np.outer([len(name.genes) for name in asked], ridge.mean)
        ridges.append(ridge)
    return CrossFit(folds=folds, ridges=tuple(ridges), weights=out, average=average)
