"""Adam over one vector of all weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

__all__ = ["Adam"]

BETA1, BETA2 = 0.9, 0.999


class Adam:
    """w ← w − rate · m̂ / (√v̂ + ε), with m and v the decayed means of the gradient and of its square (Kingma & Ba 2015).

    All weights lie in one vector, of which the parameters are views: a step is one operation whatever the number of layers, clipping
    and summing over processes are one each, and a checkpoint holds two vectors. (The operation is that of `torch.optim.Adam(fused=True)`,
    which itself loads torch's compiler when it is first used: that costs more than training on a small screen.)

    Parameters
    ----------
    parameters
        Weights to train; those without a gradient are left out. Their storage is replaced.
    epsilon
        Added to the root.
    weight_decay
        Times the weights, added to the gradient, as in `torch.optim.Adam`.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, epsilon: float, weight_decay: float) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        self._epsilon, self._weight_decay = epsilon, weight_decay
        self._sizes = [p.numel() for p in self.parameters]
        self._flat = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        for p, part in zip(self.parameters, self._flat.split_with_sizes(self._sizes), strict=True):
            p.data = part.view_as(p)
        self._number = torch.zeros((), device=self._flat.device)
        self.mean = torch.zeros_like(self._flat)
        self.square = torch.zeros_like(self._flat)

    def gradient(self) -> Tensor:
        """Return all gradients as one vector and forget them; those of parameters that took no part are 0."""
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        for p in self.parameters:
            p.grad = None
        return torch.cat([part.reshape(-1) for part in parts])

    def step(self, gradient: Tensor, *, number: int, rate: float) -> None:
        """Move the weights; `number` counts steps from 1."""
        self._number.fill_(number)
        torch._fused_adam_(
            [self._flat],
            [gradient],
            [self.mean],
            [self.square],
            [],
            [self._number],
            lr=rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self._weight_decay,
            eps=self._epsilon,
            amsgrad=False,
            maximize=False,
        )
