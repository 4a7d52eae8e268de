"""Injection by feature-wise scale and shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ._layers import zero_linear

if TYPE_CHECKING:
    import torch

__all__ = ["FiLM"]


@dataclass(frozen=True)
class FiLM:
    """h · (1 + W_γ e) + W_β e in every hidden layer of the decoder, with W = 0 at first (Perez et al. 2018, AAAI)."""

    def build(
        self, *, n_dims: int, n_condition: int, n_hidden: int, n_layers: int, source: torch.Generator
    ) -> FiLMModule:
        """Return a new module."""
        del source  # every weight starts at 0
        return FiLMModule(n_dims, n_condition, n_hidden=n_hidden, n_layers=n_layers)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"name": "film"}


class FiLMModule(nn.Module):
    """See `FiLM`."""

    def __init__(self, n_dims: int, n_condition: int, *, n_hidden: int, n_layers: int) -> None:
        super().__init__()
        self.n_inputs = n_dims
        self.layers = nn.ModuleList(zero_linear(n_condition, 2 * n_hidden) for _ in range(n_layers))

    def enter(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return z as it is."""
        del condition
        return z

    def modulate(self, hidden: Tensor, condition: Tensor, *, layer: int) -> Tensor:
        """Return scaled and shifted hidden units `(n_cells, n_hidden)`."""
        scale, shift = self.layers[layer](condition).chunk(2, dim=-1)
        out: Tensor = hidden * (1.0 + scale) + shift
        return out
