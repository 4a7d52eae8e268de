"""Energy distance between moved controls and perturbed cells of the same strata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import squared_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ._cells import Placed

__all__ = ["Matched", "energy_distance", "match", "moved_distances", "pair_weights"]

_MOST_CELLS = 150
_FEWEST = 10


@dataclass(frozen=True, eq=False)
class Matched:
    """Cells of one perturbation and as many controls of the same strata.

    Parameters
    ----------
    controls
        Which of the control cells `(n_pairs,)`.
    x
        Centred coordinates of the perturbed cells `(n_pairs, n_dims)`.
    strata
        Of either `(n_pairs,)`, each with two pairs at least.
    """

    controls: NDArray[np.int64]
    x: NDArray[np.float64]
    strata: NDArray[np.int64]


def match(
    controls: Placed, perturbed: Placed, codes: NDArray[np.int64], *, n: int, rng: np.random.Generator
) -> list[Matched | None]:
    """Draw for each perturbation cells and as many controls from each stratum, none of them twice; None below 10 cells.

    So a change of composition does not count as a distance, as it does not count as a displacement.

    Parameters
    ----------
    controls, perturbed
        Cells.
    codes
        Perturbation of each perturbed cell.
    n
        Number of perturbations.
    rng
        Draws.
    """
    by_stratum = {int(s): np.flatnonzero(controls.strata == s) for s in np.unique(controls.strata)}
    out: list[Matched | None] = []
    for p in range(n):
        mine = rng.permutation(np.flatnonzero(codes == p))[:_MOST_CELLS]
        left, right = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for s in np.unique(perturbed.strata[mine]):
            theirs = by_stratum.get(int(s), np.zeros(0, dtype=np.int64))
            here = mine[perturbed.strata[mine] == s]
            k = min(len(here), len(theirs))
            if k < 2:
                continue
            left.append(rng.permutation(theirs)[:k])
            right.append(here[:k])
        found = np.concatenate(right)
        pairs = Matched(np.concatenate(left), perturbed.x[found], perturbed.strata[found])
        out.append(pairs if len(found) >= _FEWEST else None)
    return out


def energy_distance(a: NDArray[np.floating], b: NDArray[np.floating], strata: NDArray[np.int64]) -> float:
    """2 E‖A − B‖ − E‖A − A'‖ − E‖B − B'‖ over different cells, 0 in expectation where both are of one kind.

    Parameters
    ----------
    a, b
        `(n_cells, n_dims)`.
    strata
        Of the cells of either: as many of each were drawn, and pairs within a stratum count as much as they do across a and b `(n_cells,)`.
    """
    middle = b.mean(axis=0)
    a, b = a - middle, b - middle
    weights = pair_weights(strata)
    across = np.sqrt(squared_distances(a, b)).mean()
    within = sum((weights * np.sqrt(squared_distances(side, side))).sum() for side in (a, b))
    return float(2.0 * across - within)


def pair_weights(strata: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 / n² for cells of different strata, n_s / (n_s − 1) / n² for different cells of one, 0 for a cell with itself `(n_cells, n_cells)`."""
    _, codes, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    own = (sizes / np.maximum(sizes - 1, 1))[codes]
    weights = np.where(codes[:, None] == codes[None, :], own[:, None], 1.0)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights / len(strata) ** 2)


def moved_distances(
    x: NDArray[np.float64], moves: Sequence[NDArray[np.floating]], pairs: Matched | None
) -> NDArray[np.float64]:
    """Distance of controls at x to the perturbed cells after each of several moves `(n_moves,)`, NaN without pairs."""
    if pairs is None:
        return np.full(len(moves), np.nan)
    at = x[pairs.controls]
    return np.array([energy_distance(at + move[pairs.controls], pairs.x, pairs.strata) for move in moves])
