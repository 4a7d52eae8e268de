"""Injection by a shift of the latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ._layers import zero_linear

if TYPE_CHECKING:
    import torch

__all__ = ["AdditiveShift"]


@dataclass(frozen=True)
class AdditiveShift:
    """z + W e, with W = 0 at first: conditions add up, also those of two genes (CPA, Lotfollahi et al. 2023, Mol. Syst. Biol. 19:e11517)."""

    def build(
        self, *, n_dims: int, n_condition: int, n_hidden: int, n_layers: int, source: torch.Generator
    ) -> AdditiveModule:
        """Return a new module."""
        del n_hidden, n_layers, source  # it acts before the first layer, and every weight starts at 0
        return AdditiveModule(n_dims, n_condition)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"name": "additive"}


class AdditiveModule(nn.Module):
    """See `AdditiveShift`."""

    def __init__(self, n_dims: int, n_condition: int) -> None:
        super().__init__()
        self.n_inputs = n_dims
        self.shift = zero_linear(n_condition, n_dims)

    def enter(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return shifted z `(n_cells, n_dims)`."""
        moved: Tensor = z + self.shift(condition)
        return moved

    def modulate(self, hidden: Tensor, condition: Tensor, *, layer: int) -> Tensor:
        """Return hidden units as they are."""
        del condition, layer
        return hidden
