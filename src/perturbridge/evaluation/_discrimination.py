"""Discrimination metrics: is a prediction closer to its own perturbation's real profile than to the others'?

The genes that any perturbation of the panel targets are taken out of all profiles before (`score` does it): a target's own
knock-down would give the answer away, and taking out only the row's own target can be exploited.

Each metric comes with its other side: how the others fare against a perturbation. A mean over a panel is a mean over pairs, (1 / n(n − 1))
Σ_ij h(i, j), so a perturbation moves it both by its own score and as a competitor of all others; an interval that sees the scores alone
is too short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._distances import Retrieval
    from ._metric import Aligned

    Found = Callable[[Aligned], Retrieval]
    Side = Callable[[Aligned], NDArray[np.float64]]

__all__ = ["centroid_accuracy", "pds", "rank"]


def _share(beaten: NDArray[np.floating] | NDArray[np.int64], pair: Aligned) -> NDArray[np.float64]:
    """Share of the n − 1 others; NaN for a panel of one, or one without a gene left."""
    n, n_genes = pair.true.shape
    if n < 2 or not n_genes:
        return np.full(n, np.nan)
    return np.asarray(beaten / (n - 1), dtype=np.float64)


def pds(found: Found) -> tuple[Side, Side]:
    """Return 1 − (closer + ties / 2) / (n − 1), the perturbation discrimination score: chance ½; and its other side.

    By cosine it is blind to the size of a prediction; by Euclidean or absolute distance a prediction of the wrong size loses.
    """

    def value(pair: Aligned) -> NDArray[np.float64]:
        return 1.0 - _share(found(pair).closer + 0.5 * found(pair).tied, pair)

    def as_rival(pair: Aligned) -> NDArray[np.float64]:
        return 1.0 - _share(found(pair).ahead + 0.5 * found(pair).level, pair)

    return value, as_rival


def centroid_accuracy() -> tuple[Side, Side]:
    """Return the share of the other real profiles that lie strictly farther than the own, by Euclidean distance; a tie counts as wrong.

    As in Systema (2025), on Δ instead of absolute profiles: the same where all perturbations share their controls.
    """

    def value(pair: Aligned) -> NDArray[np.float64]:
        return 1.0 - _share(pair.by_euclid.closer + pair.by_euclid.tied, pair)

    def as_rival(pair: Aligned) -> NDArray[np.float64]:
        return 1.0 - _share(pair.by_euclid.ahead + pair.by_euclid.level, pair)

    return value, as_rival


def rank(found: Found) -> tuple[Side, Side]:
    """Return (closer + ties / 2) / (n − 1) of the other *predictions* to each real profile; 0 is best, chance ½ (PerturBench `rank`).

    The real profile looks for its prediction, where `pds` lets the prediction look.
    """

    def value(pair: Aligned) -> NDArray[np.float64]:
        return _share(found(pair).closer + 0.5 * found(pair).tied, pair)

    def as_rival(pair: Aligned) -> NDArray[np.float64]:
        return _share(found(pair).ahead + 0.5 * found(pair).level, pair)

    return value, as_rival
