"""Injection by concatenation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Concat"]


@dataclass(frozen=True)
class Concat:
    """[z, W e]: beside z stands a learnt projection of the condition (biolord, Piran et al. 2024, Nat. Biotechnol. 42:1678).

    Parameters
    ----------
    n_projected
        Columns of W e; 0: e itself, all columns.
    """

    n_projected: int = 16

    def build(
        self, *, n_dims: int, n_condition: int, n_hidden: int, n_layers: int, source: torch.Generator
    ) -> ConcatModule:
        """Return a new module."""
        del n_hidden, n_layers
        return ConcatModule(n_dims, n_condition, n_projected=self.n_projected, source=source)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"name": "concat", "n_projected": self.n_projected}


class ConcatModule(nn.Module):
    """See `Concat`."""

    def __init__(self, n_dims: int, n_condition: int, *, n_projected: int, source: torch.Generator) -> None:
        super().__init__()
        self.n_inputs = n_dims + (n_projected or n_condition)
        bound = n_condition**-0.5
        self.projection = (
            nn.Parameter(torch.empty(n_projected, n_condition).uniform_(-bound, bound, generator=source))
            if n_projected
            else None
        )

    def enter(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return `(n_cells, n_inputs)`."""
        told = condition if self.projection is None else condition @ self.projection.T
        return torch.cat([z, told], dim=-1)

    def modulate(self, hidden: Tensor, condition: Tensor, *, layer: int) -> Tensor:
        """Return hidden units as they are."""
        del condition, layer
        return hidden
