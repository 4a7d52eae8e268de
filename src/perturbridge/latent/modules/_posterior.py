"""q(z | x), a normal with a diagonal covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SMALLEST_VARIANCE", "Posterior"]

SMALLEST_VARIANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Posterior:
    """Mean and variance of each cell's z.

    Parameters
    ----------
    mean, variance
        `(n_cells, n_dims)`; variances are positive.
    """

    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, heads: Tensor, *, sd: float | None = None) -> Posterior:
        """Read means and log-variances from `2 · n_dims` columns; with `sd` the latter play no part."""
        mean, raw = heads.chunk(2, dim=1)
        if sd is not None:
            return cls(mean, torch.full_like(mean, sd**2))
        # Beyond e^±15 a variance says nothing; without a bound one wild cell makes the loss infinite.
        return cls(mean, raw.clamp(-15, 15).exp() + SMALLEST_VARIANCE)

    def at(self, noise: Tensor) -> Tensor:
        """Z = μ + σ · noise, so that gradients reach μ and σ."""
        return self.mean + self.variance.sqrt() * noise

    def kl(self, mean: Tensor | float = 0.0, variance: Tensor | float = 1.0) -> Tensor:
        """KL(q ‖ N(mean, variance)) by dimension, ½ (σ²/s² + (μ − m)²/s² − 1 − ln σ²/s²), nats `(n_cells, n_dims)`."""
        ratio = self.variance / variance
        return 0.5 * (ratio + (self.mean - mean) ** 2 / variance - 1 - ratio.log())
