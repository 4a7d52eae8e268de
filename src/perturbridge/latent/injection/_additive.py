"""Injection by a shift."""

from __future__ import annotations

from torch import Tensor, nn

from ._layers import zero_linear

__all__ = ["AdditiveShift"]


class AdditiveShift(nn.Module):
    """h + W e, with W = 0 at first: conditions add up, also those of two genes (CPA, Lotfollahi et al. 2023, Mol. Syst. Biol. 19:e11517).

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
        self.shift = zero_linear(n_condition, n_hidden)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Return `(n_cells, n_hidden)`."""
        moved: Tensor = hidden + self.shift(condition)
        return moved
