"""Perturbed cells as a target of the residual: energy distances of many perturbations at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._energy import Matched

__all__ = ["Clouds", "Drawn"]

_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pairs of some perturbations.

    Parameters
    ----------
    rows
        Perturbations `(n_rows,)`.
    controls
        Control cells `(n_rows, n_cells)`.
    goal
        Perturbed cells, in the unit of displacements `(n_rows, n_cells, n_dims)`.
    strata
        Of either `(n_rows, n_cells)`.
    """

    rows: Tensor
    controls: Tensor
    goal: Tensor
    strata: Tensor

    def distance(self, moved: Tensor) -> Tensor:
        """Mean over rows of 2 E‖A − B‖ − E‖A − A'‖; what perturbed cells have among themselves does not depend on a move."""
        n = moved.shape[1]
        same = (self.strata[:, :, None] == self.strata[:, None, :]).float()
        size = same.sum(dim=2, keepdim=True)
        weights = torch.where(same > 0, size / (size - 1.0).clamp_min(1.0), 1.0) * (1.0 - torch.eye(n))
        across, within = _gaps(moved, self.goal), _gaps(moved, moved)
        return (2.0 * across - weights * within).mean()


def _gaps(a: Tensor, b: Tensor) -> Tensor:
    squared = (a**2).sum(2)[:, :, None] + (b**2).sum(2)[:, None, :] - 2.0 * a @ b.transpose(1, 2)
    return squared.clamp_min(_SMALLEST).sqrt()


@dataclass(frozen=True, eq=False)
class Clouds:
    """Pairs of all perturbations, side by side.

    Parameters
    ----------
    controls, strata
        `(n_rows, n_most)`.
    goal
        `(n_rows, n_most, n_dims)`.
    sizes
        How many pairs each row has `(n_rows,)`.
    """

    controls: Tensor
    strata: Tensor
    goal: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, pairs: Sequence[Matched | None], *, n_dims: int, scale: float) -> Self:
        """Lay pairs out, in the unit of displacements."""
        sizes = np.array([0 if pair is None else len(pair.controls) for pair in pairs], dtype=np.int64)
        most = int(sizes.max(initial=0))
        controls, strata = (np.zeros((len(pairs), most), dtype=np.int64) for _ in range(2))
        goal = np.zeros((len(pairs), most, n_dims), dtype=np.float32)
        for i, pair in enumerate(pairs):
            if pair is not None:
                controls[i, : sizes[i]], strata[i, : sizes[i]] = pair.controls, pair.strata
                goal[i, : sizes[i]] = pair.x / scale
        return cls(*(torch.from_numpy(each) for each in (controls, strata, goal, sizes)))

    def draw(self, rows: Tensor, n: int, *, source: torch.Generator) -> Drawn | None:
        """Draw `n` pairs of each row that has as many, none twice; None where no row has."""
        enough = rows[self.sizes[rows] >= n]
        if not len(enough):
            return None
        order = torch.rand((len(enough), self.controls.shape[1]), generator=source)
        order[torch.arange(order.shape[1]) >= self.sizes[enough][:, None]] = 2.0
        chosen = order.argsort(dim=1)[:, :n]
        at = enough[:, None]
        return Drawn(enough, self.controls[at, chosen], self.goal[at, chosen], self.strata[at, chosen])
