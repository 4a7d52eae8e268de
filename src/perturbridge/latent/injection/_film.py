"""Injection by feature-wise scale and shift."""

from __future__ import annotations

from torch import Tensor, nn

from ._layers import zero_linear

__all__ = ["FiLM"]


class FiLM(nn.Module):
    """h · (1 + W_γ e) + W_β e, with W = 0 at first (Perez et al. 2018, AAAI).

    Parameters
    ----------
    n_hidden
        Width of h.
    n_condition
        Width of e.
    """

    def __init__(self, n_hidden: int, n_condition: int) -> None:
        super().__init__()
        self.n_out = n_hidden
        self.modulation = zero_linear(n_condition, 2 * n_hidden)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Return `(n_cells, n_hidden)`."""
        scale, shift = self.modulation(condition).chunk(2, dim=-1)
        out: Tensor = hidden * (1.0 + scale) + shift
        return out
