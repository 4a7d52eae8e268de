"""Injection by conditional layer normalization."""

from __future__ import annotations

from torch import Tensor, nn

from ._layers import zero_linear

__all__ = ["ConditionalLayerNorm"]


class ConditionalLayerNorm(nn.Module):
    """(h − mean h)/sd h · (1 + W_γ e) + W_β e, mean and sd over the units of a cell, with W = 0 at first.

    Unlike `FiLM` it forgets the level and the scale of h, so that a condition's effect does not depend on them (Chen et al. 2021,
    AdaSpeech, ICLR; the same idea in MrVI).

    Parameters
    ----------
    n_hidden
        Width of h, at least 2.
    n_condition
        Width of e.
    """

    def __init__(self, n_hidden: int, n_condition: int) -> None:
        super().__init__()
        self.n_out = n_hidden
        self.norm = nn.LayerNorm(n_hidden, elementwise_affine=False)
        self.modulation = zero_linear(n_condition, 2 * n_hidden)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Return `(n_cells, n_hidden)`."""
        scale, shift = self.modulation(condition).chunk(2, dim=-1)
        out: Tensor = self.norm(hidden) * (1.0 + scale) + shift
        return out
