"""The residual network: hidden layers over a cell and its base displacement, told the perturbation by an injection."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import PerturbationName

    from ._conditions import Conditions
    from ._settings import ResponseSettings

__all__ = ["Member", "Network"]


class Network(nn.Module):
    """R(x, B, c): `[x, B]` enters through the injection, each hidden layer is modulated by it, the last layer starts at 0."""

    def __init__(
        self,
        spec: InjectionSpec,
        settings: ResponseSettings,
        *,
        n_dims: int,
        n_condition: int,
        source: torch.Generator,
    ) -> None:
        super().__init__()
        n_hidden, n_layers = settings.n_hidden, settings.n_layers
        self.injection = spec.build(
            n_dims=2 * n_dims, n_condition=n_condition, n_hidden=n_hidden, n_layers=n_layers, source=source
        )
        widths = [self.injection.n_inputs, *(n_hidden,) * n_layers]
        self.layers = nn.ModuleList(_linear(a, b, source=source) for a, b in pairwise(widths))
        self.out = _linear(n_hidden, n_dims, source=None)

    def forward(self, x: Tensor, base: Tensor, condition: Tensor) -> Tensor:
        """Return the residual `(n_cells, n_dims)`, in the unit of `base`."""
        hidden = self.injection.enter(torch.cat([x, base], dim=-1), condition)
        for i, layer in enumerate(self.layers):
            hidden = torch.relu(self.injection.modulate(layer(hidden), condition, layer=i))
        out: Tensor = self.out(hidden)
        return out


def _linear(n_in: int, n_out: int, *, source: torch.Generator | None) -> nn.Linear:
    """A linear layer drawn from `source` alone; of zeros without one."""
    linear = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        linear.bias.zero_()
        if source is None:
            linear.weight.zero_()
        else:
            bound = (3.0 / n_in) ** 0.5
            linear.weight.uniform_(-bound, bound, generator=source)
    return linear


@dataclass(frozen=True, eq=False, kw_only=True)
class Member:
    """A trained network with the units it thinks in.

    Parameters
    ----------
    network
        R.
    conditions
        What it is told.
    spread
        Standard deviation of control cells `(n_dims,)`.
    scale
        Root mean square displacement of training perturbations.
    """

    network: Network
    conditions: Conditions
    spread: NDArray[np.float32]
    scale: float

    @torch.no_grad()
    def residual(
        self, name: PerturbationName, x: NDArray[np.floating], base: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """R of one perturbation at cells `(n_cells, n_dims)`, units of the latent."""
        told = torch.from_numpy(self.conditions.at([name])).expand(len(x), -1)
        out = self.network(
            torch.from_numpy((x / self.spread).astype(np.float32)),
            torch.from_numpy((base / self.scale).astype(np.float32)),
            told,
        )
        return np.asarray(out.numpy() * np.float32(self.scale))
