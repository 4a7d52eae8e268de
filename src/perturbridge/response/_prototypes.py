"""Prototypes: points of the control population at which displacements are known, and how they tell those of any other cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.numerics import squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Prototypes", "make_prototypes"]

_ROUNDS = 25
_MOST_CELLS = 20_000
_AT_ONCE = 4096


@dataclass(frozen=True, eq=False, kw_only=True)
class Prototypes:
    """Δz(x) = trend(x) + Σ_k s_k(x) · (Δz_k − trend(c_k)), s_k ∝ share_k · exp(−‖x − c_k‖² / 2 h²), within the stratum of x.

    The trend is affine in x, fitted to the prototypes of the stratum by ridge; the soft kernel carries what it leaves. Both are linear in the
    displacements of the prototypes, so a cell has a weight for each.

    Parameters
    ----------
    centres
        c, centred coordinates `(n_prototypes, n_dims)`.
    strata
        Of each, ascending `(n_prototypes,)`.
    shares
        Of the controls nearest to each, sum 1 `(n_prototypes,)`.
    spread
        Mean squared distance of controls to their prototype, by stratum `(n_strata,)`; NaN in strata without.
    bandwidth
        h² as a multiple of the spread.
    trend
        Penalty of the trend, as a multiple of the mean variance of the prototypes of the stratum; ∞ for none.
    """

    centres: NDArray[np.float64]
    strata: NDArray[np.int64]
    shares: NDArray[np.float64]
    spread: NDArray[np.float64]
    bandwidth: float = 1.0
    trend: float = 0.1

    @cached_property
    def by_stratum(self) -> NDArray[np.float64]:
        """Mean over the prototypes of each stratum, by shares `(n_strata, n_prototypes)`; a row of 0 where there are none."""
        out = (self.strata[None, :] == np.arange(len(self.spread))[:, None]) * self.shares
        total = out.sum(axis=1, keepdims=True)
        return np.asarray(out / np.where(total > 0, total, 1.0))

    def tuned(self, *, bandwidth: float, trend: float) -> Prototypes:
        """Return the same prototypes, read in another way."""
        return replace(self, bandwidth=bandwidth, trend=trend)

    def weights(self, x: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float64]:
        """Weight of each prototype for each cell, rows summing to 1 `(n_cells, n_prototypes)`.

        Raises
        ------
        DataError
            If a cell lies in a stratum without prototypes.
        """
        out = np.zeros((len(x), len(self.centres)))
        for s in np.unique(strata):
            mine = np.flatnonzero(self.strata == s)
            if not len(mine):
                problem = f"{int((strata == s).sum())} of {len(x)} cells lie in stratum {s}, where no control was seen."
                raise DataError(problem, cure="Fit with controls of that stratum, or leave those cells out.")
            cells = np.flatnonzero(strata == s)
            for start in range(0, len(cells), _AT_ONCE):
                part = cells[start : start + _AT_ONCE]
                out[np.ix_(part, mine)] = self._within(x[part], mine)
        return out

    def _within(self, x: NDArray[np.float64], mine: NDArray[np.int64]) -> NDArray[np.float64]:
        centres, share = self.centres[mine], self.shares[mine] / self.shares[mine].sum()
        h2 = self.bandwidth * self.spread[self.strata[mine[0]]]
        score = np.log(share) - squared_distances(x - centres.mean(axis=0), centres - centres.mean(axis=0)) / (2 * h2)
        score -= score.max(axis=1, keepdims=True)
        soft = np.exp(score, out=score)
        soft /= soft.sum(axis=1, keepdims=True)
        if np.isinf(self.trend) or len(mine) < 3:
            return np.asarray(soft)
        middle = share @ centres
        apart = centres - middle
        moment = (apart * share[:, None]).T @ apart
        penalty = self.trend * (float(np.trace(moment)) / len(moment) or 1.0)
        # Row weights of an affine ridge with a free intercept.
        map_ = np.linalg.solve(moment + penalty * np.eye(len(moment)), apart.T * share)
        line, at_centres = share + (x - middle) @ map_, share + apart @ map_
        return np.asarray(line + soft - soft @ at_centres)


def make_prototypes(
    x: NDArray[np.float64], strata: NDArray[np.int64], *, n: int, n_strata: int, rng: np.random.Generator
) -> Prototypes:
    """k-means centres of the controls of each stratum, as many as its share of the controls, one at least.

    Parameters
    ----------
    x
        Centred coordinates of the controls `(n_cells, n_dims)`.
    strata
        Of each control.
    n
        Prototypes in all; never more than half of the cells of a stratum.
    n_strata
        Strata of the alignment.
    rng
        Draws the starting centres, and the sample where controls are very many.
    """
    centres, owner, shares = [], [], []
    spread = np.full(n_strata, np.nan)
    for s in np.unique(strata):
        cells = x[strata == s]
        share = len(cells) / len(x)
        sample = cells if len(cells) <= _MOST_CELLS else cells[rng.permutation(len(cells))[:_MOST_CELLS]]
        k = max(1, min(round(n * share), len(sample) // 2))
        found, sizes, spread[s] = _means(sample, k, rng=rng)
        centres.append(found)
        owner.append(np.full(len(found), s, dtype=np.int64))
        shares.append(share * sizes / sizes.sum())
    return Prototypes(
        centres=np.concatenate(centres),
        strata=np.concatenate(owner),
        shares=np.concatenate(shares),
        spread=spread,
    )


def _means(
    x: NDArray[np.float64], k: int, *, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Lloyd's centres, cells of each, and mean squared distance to them; a centre that loses its cells goes."""
    centres = x[np.sort(rng.permutation(len(x))[:k])]
    nearest = squared_distances(x, centres).argmin(axis=1)
    for _ in range(_ROUNDS):
        sizes = np.bincount(nearest, minlength=len(centres)).astype(np.float64)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, x)
        centres = sums[sizes > 0] / sizes[sizes > 0, None]
        again = squared_distances(x, centres).argmin(axis=1)
        if len(again) == len(nearest) and np.array_equal(again, nearest):
            break
        nearest = again
    sizes = np.bincount(nearest, minlength=len(centres)).astype(np.float64)
    kept = sizes > 0
    gaps = squared_distances(x, centres).min(axis=1)
    # One cell on its own has no distance; any positive number does then.
    return centres[kept], sizes[kept], float(gaps.mean()) or 1.0
