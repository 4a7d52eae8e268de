"""Whose real profile is closest to a prediction: counts, a block of predictions at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.spatial.distance import cdist

from perturbridge.numerics import l2_normalize

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Retrieval", "retrieve"]

_BLOCK_ROWS = 256
# Distances closer than this, relative to the size of the profiles, are equal: the order of summation decides nothing.
_TIE = 1e-12


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Who comes before whom, as counts `(n_perturbations,)`.

    Parameters
    ----------
    closer, tied
        For each prediction, the *other* real profiles closer than its own, and as far as its own.
    ahead, level
        For each real profile, the predictions of *others* that it lies closer to than their own, and as far from as their own.
    """

    closer: NDArray[np.int64]
    tied: NDArray[np.int64]
    ahead: NDArray[np.int64]
    level: NDArray[np.int64]


def retrieve(
    pred: NDArray[np.float64], true: NDArray[np.float64], *, distance: Literal["cosine", "l1", "l2"]
) -> Retrieval:
    """Count, for each prediction, the real profiles of the other perturbations that lie closer than its own, and those as far.

    Parameters
    ----------
    pred, true
        Profiles of the same perturbations `(n_perturbations, n_genes)`.
    distance
        `"cosine"` (a profile of zeros is equally far from all), `"l2"`, `"l1"`.
    """
    block = _blocks(pred, true, distance=distance)
    closer, tied = np.empty(len(pred), dtype=np.int64), np.empty(len(pred), dtype=np.int64)
    ahead, level = np.zeros(len(pred), dtype=np.int64), np.zeros(len(pred), dtype=np.int64)
    for start in range(0, len(pred), _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, len(pred)))
        far, slack = block(rows)
        own = far[np.arange(len(rows)), rows][:, None]
        before, until = far < own - slack, far <= own + slack
        closer[rows] = before.sum(axis=1)
        tied[rows] = until.sum(axis=1) - closer[rows] - 1
        ahead += before.sum(axis=0)
        level += until.sum(axis=0)
    # Each real profile is as far from its own prediction as itself.
    return Retrieval(closer, tied, ahead=ahead, level=level - ahead - 1)


def _blocks(
    pred: NDArray[np.float64], true: NDArray[np.float64], *, distance: Literal["cosine", "l1", "l2"]
) -> Callable[[NDArray[np.int64]], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return rows ▸ (something that orders the real profiles as the distance does, its rounding error)."""
    if distance == "cosine":
        unit = l2_normalize(true)
        return lambda rows: (-(l2_normalize(pred[rows]) @ unit.T), np.full((len(rows), 1), _TIE))
    if distance == "l2":
        # ‖p − t‖² less ‖p‖², which is the same for every t; centered, so that a large common shift costs no digits.
        center = true.mean(axis=0)
        centered = true - center
        squares = np.einsum("ij,ij->i", centered, centered)

        def squared(rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            own = pred[rows] - center
            size = np.einsum("ij,ij->i", own, own)[:, None] + squares.max(initial=0.0)
            return squares - 2.0 * (own @ centered.T), _TIE * size

        return squared

    def city_block(rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        far = cdist(pred[rows], true, metric="cityblock")
        return far, _TIE * far.max(axis=1, keepdims=True)

    return city_block
