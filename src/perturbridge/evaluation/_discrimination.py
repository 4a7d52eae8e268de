"""Discrimination metrics: is a prediction closer to its own perturbation's real profile than to the others'?

The genes that any perturbation of the panel targets are taken out of all profiles before (`score` does it): a target's own
knock-down would give the answer away, and taking out only the row's own target can be exploited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._distances import retrieve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._distances import Retrieval
    from ._metric import Aligned

__all__ = ["centroid_accuracy", "pds_cosine", "pds_l1", "pds_l2", "rank_cosine", "rank_rmse"]


def _share(beaten: NDArray[np.floating] | NDArray[np.int64], pair: Aligned) -> NDArray[np.float64]:
    """Share of the n − 1 others; NaN for a panel of one, or one without a gene left."""
    n, n_genes = pair.true.shape
    if n < 2 or not n_genes:
        return np.full(n, np.nan)
    return np.asarray(beaten / (n - 1), dtype=np.float64)


def _score(found: Retrieval, pair: Aligned) -> NDArray[np.float64]:
    return 1.0 - _share(found.closer + 0.5 * found.tied, pair)


def pds_cosine(pair: Aligned) -> NDArray[np.float64]:
    """1 − (closer + ties / 2) / (n − 1) by cosine distance: perturbation discrimination score, chance ½, blind to scale."""
    return _score(retrieve(pair.pred, pair.true, distance="cosine"), pair)


def pds_l2(pair: Aligned) -> NDArray[np.float64]:
    """1 − (closer + ties / 2) / (n − 1) by Euclidean distance; a prediction of the wrong size loses."""
    return _score(pair.euclidean, pair)


def pds_l1(pair: Aligned) -> NDArray[np.float64]:
    """1 − (closer + ties / 2) / (n − 1) by sum of absolute differences; a prediction of the wrong size loses."""
    return _score(retrieve(pair.pred, pair.true, distance="l1"), pair)


def centroid_accuracy(pair: Aligned) -> NDArray[np.float64]:
    """Share of the other real profiles that lie strictly farther than the own, by Euclidean distance; a tie counts as wrong.

    As in Systema (2025), on Δ instead of absolute profiles: the same where all perturbations share their controls.
    """
    return _share(len(pair.true) - 1 - pair.euclidean.closer - pair.euclidean.tied, pair)


def rank_cosine(pair: Aligned) -> NDArray[np.float64]:
    """(closer + ties / 2) / (n − 1) of the other *predictions* to each real profile, by cosine distance; 0 is best, chance ½.

    The direction of PerturBench: the real profile looks for its prediction, where `pds_cosine` lets the prediction look.
    """
    found = retrieve(pair.true, pair.pred, distance="cosine")
    return _share(found.closer + 0.5 * found.tied, pair)


def rank_rmse(pair: Aligned) -> NDArray[np.float64]:
    """(closer + ties / 2) / (n − 1) of the other *predictions* to each real profile, by RMSE; 0 is best, chance ½ (PerturBench `rank`)."""
    found = retrieve(pair.true, pair.pred, distance="l2")
    return _share(found.closer + 0.5 * found.tied, pair)
