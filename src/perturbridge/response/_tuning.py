"""How displacements at prototypes are best read at cells: the reading that errs least on training perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._prototypes import Prototypes

__all__ = ["tune"]

_BANDWIDTHS = (0.125, 0.25, 0.5, 1.0, 2.0)
_TRENDS = (0.01, 0.1, 1.0, float("inf"))


def tune(
    prototypes: Prototypes,
    at_prototypes: NDArray[np.floating],
    at_cells: NDArray[np.floating],
    *,
    x: NDArray[np.float64],
    strata: NDArray[np.int64],
) -> tuple[Prototypes, float]:
    """Choose bandwidth and trend; return the prototypes and the share of the squared displacement of cells that is lost.

    Parameters
    ----------
    prototypes
        Points.
    at_prototypes, at_cells
        Displacements of some perturbations `(n_perturbations, n_prototypes or n_cells, n_dims)`.
    x, strata
        The cells, in centred coordinates.
    """
    known = np.moveaxis(at_prototypes, 0, 1).reshape(len(prototypes.centres), -1).astype(np.float64)
    wanted = np.moveaxis(at_cells, 0, 1).reshape(len(x), -1).astype(np.float64)
    total = float((wanted**2).sum()) or 1.0
    tried = []
    for trend in _TRENDS:
        for bandwidth in _BANDWIDTHS:
            read = prototypes.tuned(bandwidth=bandwidth, trend=trend)
            tried.append((float(((read.weights(x, strata) @ known - wanted) ** 2).sum()) / total, read))
    lost, best = min(tried, key=lambda pair: pair[0])
    return best, lost
