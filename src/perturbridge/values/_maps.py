"""Maps of a latent into itself, small enough to store and cheap to apply to cells that no plan has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from perturbridge._checks import array_of
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AffineMap", "CellMap", "NearestMap", "SoftMap"]

_AT_ONCE = 1 << 22
# Two cells nearer than this, in units of ε, are one: single precision keeps no more.
_SAME = 1e-6


def _costs(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """‖x_i − y_j‖² `(n, m)`."""
    squared = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)[None, :] - 2.0 * (x @ y.T)
    return np.asarray(np.maximum(squared, 0.0))


@dataclass(frozen=True, eq=False)
class SoftMap:
    """T(x) = Σ_j softmax_j(g_j − ‖x − y_j‖² / ε) · y_j, the entropic map through its dual potential.

    Parameters
    ----------
    targets
        y `(n_targets, n_dims)`, float32.
    potentials
        g, in units of ε, with the weight of the target folded in `(n_targets,)`; −∞ is not allowed.
    epsilon
        ε, positive, in squared units of the latent; ∞ stands for the mean of the targets.
    leaves_self
        A target that lies where x lies is x itself and has no part in T(x).
    """

    targets: NDArray[np.float32]
    potentials: NDArray[np.float32]
    epsilon: float
    leaves_self: bool = False

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "targets", array_of("targets of a map", self.targets, shape=(None, None), dtype=np.float32))
        shape = (len(self.targets),)
        set_(self, "potentials", array_of("potentials of a map", self.potentials, shape=shape, dtype=np.float32))
        if not self.epsilon > 0 or not shape[0]:
            problem = f"A map has {shape[0]} targets and epsilon {self.epsilon}."
            raise DataError(problem, cure="Give one target at least and a positive epsilon.")

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return T(x) for each row of x `(n_cells, n_dims)`."""
        points, targets = np.asarray(x, dtype=np.float64), self.targets.astype(np.float64)
        # Distances cancel far from the origin.
        centre = targets.mean(axis=0)
        targets = targets - centre
        out = np.empty_like(points)
        step = max(_AT_ONCE // len(targets), 1)
        for start in range(0, len(points), step):
            rows = slice(start, start + step)
            cost = _costs(points[rows] - centre, targets)
            score = self.potentials - cost / self.epsilon
            if self.leaves_self and len(targets) > 1:
                score[cost <= _SAME * self.epsilon] = -np.inf
                score[np.isneginf(score).all(axis=1)] = self.potentials
            score -= score.max(axis=1, keepdims=True)
            np.exp(score, out=score)
            out[rows] = (score @ targets) / score.sum(axis=1, keepdims=True) + centre
        return out


@dataclass(frozen=True, eq=False)
class AffineMap:
    """T(x) = (x − origin) · linear + image, the optimal map between two Gaussians.

    Parameters
    ----------
    linear
        `(n_dims, n_dims)`.
    origin, image
        A point and where it goes `(n_dims,)`.
    """

    linear: NDArray[np.float64]
    origin: NDArray[np.float64]
    image: NDArray[np.float64]

    def __post_init__(self) -> None:
        d = len(self.origin)
        for name, shape in (("linear", (d, d)), ("origin", (d,)), ("image", (d,))):
            object.__setattr__(self, name, array_of(name, getattr(self, name), shape=shape, dtype=np.float64))

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return T(x) for each row of x `(n_cells, n_dims)`."""
        return (np.asarray(x, dtype=np.float64) - self.origin) @ self.linear + self.image


@dataclass(frozen=True, eq=False)
class NearestMap:
    """T(x) = x + shift of the nearest source, for plans that have no potentials.

    Parameters
    ----------
    sources
        Cells of the plan `(n_sources, n_dims)`, float32.
    shifts
        By how much each is moved `(n_sources, n_dims)`, float32.
    """

    sources: NDArray[np.float32]
    shifts: NDArray[np.float32]

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "sources", array_of("sources of a map", self.sources, shape=(None, None), dtype=np.float32))
        set_(self, "shifts", array_of("shifts of a map", self.shifts, shape=self.sources.shape, dtype=np.float32))

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return T(x) for each row of x `(n_cells, n_dims)`."""
        points, sources = np.asarray(x, dtype=np.float64), self.sources.astype(np.float64)
        centre = sources.mean(axis=0)
        sources = sources - centre
        out = np.empty_like(points)
        step = max(_AT_ONCE // len(sources), 1)
        for start in range(0, len(points), step):
            rows = slice(start, start + step)
            nearest = _costs(points[rows] - centre, sources).argmin(axis=1)
            out[rows] = points[rows] + self.shifts[nearest]
        return out


CellMap: TypeAlias = SoftMap | AffineMap | NearestMap
