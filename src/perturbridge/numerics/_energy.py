"""The distance between two clouds of points that a mean cannot hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["energy_distance"]


def energy_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """2 E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖ over pairs of different points (Székely & Rizzo 2013), as a U-statistic.

    Parameters
    ----------
    x, y
        `(n_x, n_dims)`, `(n_y, n_dims)`, two points each at least.

    Returns
    -------
    float
        In the unit of the coordinates, about 0 for equal distributions and then negative as often as positive.
    """
    from scipy.spatial.distance import cdist, pdist

    return float(2.0 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())
