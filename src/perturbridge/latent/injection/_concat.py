"""Injection by concatenation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Concat"]


class Concat(nn.Module):
    """[h, e]: the next layer has a weight for each dimension of the condition, as in scVI (Lopez et al. 2018, Nat. Methods 15:1053).

    Parameters
    ----------
    n_hidden
        Width of h.
    n_condition
        Width of e.
    """

    def __init__(self, n_hidden: int, n_condition: int) -> None:
        super().__init__()
        self.n_out = n_hidden + n_condition

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Return `(n_cells, n_hidden + n_condition)`."""
        return torch.cat([hidden, condition], dim=-1)
