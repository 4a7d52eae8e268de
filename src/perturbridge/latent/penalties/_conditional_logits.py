"""A small classifier that is told the stratum and has only the rest to find."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ._residual import Cells, buffer, overlap_buffers

if TYPE_CHECKING:
    from ._overlap import Overlap

__all__ = ["ConditionalClassifier"]

NEVER = -1e4
SMOOTHING = 0.1
QUICKNESS = 20.0


class ConditionalClassifier(nn.Module):
    """log q(c | z, s) = f_c(z) + log P(c | s)/P(c) − normalizer, trained by cross-entropy with weights 1/P(c), class-balanced.

    f is a perceptron whose last layer starts at 0, so that at first q is what the strata alone tell; the offset leaves f nothing to
    gain from recognizing the stratum in z. A label that a stratum never had in training gets probability 0.

    Parameters
    ----------
    overlap
        Training cells by stratum and label.
    n_dims
        Width of z.
    hidden
        Widths of the hidden layers of f.
    generator
        Draws the first weights.
    """

    counts: Tensor
    shares: Tensor
    weights: Tensor
    offset: Tensor

    def __init__(
        self, overlap: Overlap, *, n_dims: int, generator: torch.Generator, hidden: tuple[int, ...] = (64,)
    ) -> None:
        super().__init__()
        overlap_buffers(self, overlap)
        balance = 1.0 / np.maximum(overlap.label_shares, 1e-30)
        odds = overlap.shares * balance
        with np.errstate(divide="ignore"):
            offset = np.where(odds > 0, np.log(odds), NEVER)
        self.register_buffer("weights", buffer(np.where(overlap.label_shares > 0, balance / overlap.n_labels, 0.0)))
        self.register_buffer("offset", buffer(offset))
        self.net = perceptron((n_dims, *hidden, overlap.n_labels), generator=generator)

    def scores(self, z: Tensor) -> Tensor:
        """Return f(z), `(n, n_labels)`."""
        out: Tensor = self.net(z)
        return out

    def gain(self, cells: Cells) -> Tensor:
        """Log q(c | z, s) − log q(c | s) times 1/(n_labels · P(c)), nats `(n,)`: what f finds beyond the stratum; 0 at first."""
        offset = self.offset[cells.stratum]
        found = torch.log_softmax(self.scores(cells.z) + offset, dim=1) - torch.log_softmax(offset, dim=1)
        return self.weights[cells.label] * found.gather(1, cells.label[:, None])[:, 0]

    def roughness(self, cells: Cells) -> Tensor:
        """½γ E‖∂ gain/∂z‖², γ = 0.1: without it head and encoder circle around each other instead of coming to rest.

        The penalty of Mescheder et al. 2018 (ICML), which makes such games converge locally; only the head sees its gradient.
        """
        if not torch.is_grad_enabled():
            return cells.z.new_zeros(())
        z = cells.z.detach().requires_grad_()
        slope = torch.autograd.grad(self.gain(cells._replace(z=z)).sum(), z, create_graph=True)[0]
        return 0.5 * SMOOTHING * slope.square().sum(dim=1).mean()


class _Quick(nn.Module):
    """y = κ (W x + b): a step of the optimizer that moves W moves the product κ = 20 times as far.

    A head must follow an encoder that flees from it; at the rate of the encoder it lags, and the encoder wins by hiding, not by
    forgetting.
    """

    def __init__(self, n_in: int, n_out: int, *, generator: torch.Generator | None) -> None:
        super().__init__()
        first = torch.zeros(n_out, n_in)
        if generator is not None:
            first.normal_(0.0, (2.0 / n_in) ** 0.5 / QUICKNESS, generator=generator)
        self.weight = nn.Parameter(first)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return QUICKNESS * nn.functional.linear(x, self.weight, self.bias)


def perceptron(widths: tuple[int, ...], *, generator: torch.Generator) -> nn.Sequential:
    """Linear layers with leaky rectifiers between them; He initialization, the last layer 0."""
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        layers += [_Quick(n_in, n_out, generator=None if i == len(widths) - 2 else generator), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers[:-1])
