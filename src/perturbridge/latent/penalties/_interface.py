"""What the training loop tells a penalty, and what it wants back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

    from perturbridge.latent.modules._posterior import Posterior

    from ._labels import Design

__all__ = ["Penalty", "PenaltySpec", "StepView"]


@dataclass(frozen=True, eq=False, kw_only=True)
class StepView:
    """One training step as a penalty sees it.

    Parameters
    ----------
    posterior
        q(z | x), means and scales `(n_cells, n_dims)`.
    z
        A sample of it `(n_cells, n_dims)`; gradients flow to the encoder.
    z_bio, z_context
        Its two parts `(n_cells, n_latent)` and `(n_cells, n_latent_context)`; the second may have no columns.
    context
        Code of each cell's context `(n_cells,)`, int64, `0 … n_contexts − 1`.
    stratum
        Code of each cell's perturbation and state `(n_cells,)`: contexts are compared within one stratum.
    share
        Share of the run's steps that is done, 0 to 1: strengths ramp up with it.
    source
        The generator of this step, the only one to draw from.
    """

    posterior: Posterior
    z: Tensor
    z_bio: Tensor
    z_context: Tensor
    context: Tensor
    stratum: Tensor
    share: float
    source: torch.Generator


class Penalty(Protocol):
    """A `torch.nn.Module`; its parameters are trained by the same optimizer as the model."""

    def __call__(self, view: StepView) -> Mapping[str, Tensor]:
        """Return named scalars, the same names at every step, strength and ramp included; their sum is added to the loss (nats per cell)."""


class PenaltySpec(Protocol):
    """A frozen dataclass with the strength and settings of a penalty; what `as_json` gives is stored with the model."""

    def build(self, *, n_bio: int, n_context_dims: int, design: Design, source: torch.Generator) -> Penalty:
        """Return a new `torch.nn.Module` whose weights are drawn from `source` alone; `design` tells how the training cells lie."""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, `"name"` among them."""
