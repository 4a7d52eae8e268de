"""What the decoder asks of an injection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Injection", "InjectionSpec"]


class Injection(Protocol):
    """A `torch.nn.Module` that brings a condition `(n_cells, n_condition)` into the decoder."""

    @property
    def n_inputs(self) -> int:
        """Columns that `enter` returns: the width of the first decoder layer's input."""

    def enter(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return the decoder's input `(n_cells, n_inputs)`: z itself, z shifted, or z with columns beside it."""

    def modulate(self, hidden: Tensor, condition: Tensor, *, layer: int) -> Tensor:
        """Return the hidden units of a layer `(n_cells, n_hidden)`, after its norm and before its ReLU."""


class InjectionSpec(Protocol):
    """A frozen dataclass that says which injection to build; what `as_json` gives is stored with the model."""

    def build(
        self, *, n_dims: int, n_condition: int, n_hidden: int, n_layers: int, source: torch.Generator
    ) -> Injection:
        """Return a new `torch.nn.Module` whose weights are drawn from `source` alone."""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, `"name"` among them."""
