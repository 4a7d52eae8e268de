"""The running statistics of batch norm where a step is shared: their mean over what each share makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from perturbridge.latent.modules._layers import Norm

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Running"]


class Running:
    """Means and variances of all batch norms, as they are before a step and as its shares leave them.

    Parameters
    ----------
    modules
        Where they are.
    """

    def __init__(self, modules: nn.Module) -> None:
        self._norms = [part for part in modules.modules() if isinstance(part, Norm)]
        self._kept = [statistic for norm in self._norms for statistic in norm.running()]
        self._before = [kept.clone() for kept in self._kept]
        self.means = [torch.zeros_like(kept) for kept in self._kept]

    def take(self, weight: float) -> None:
        """Add what a share has made of them, with its part of the cells as weight, and put back what was there before."""
        for mean, kept, before in zip(self.means, self._kept, self._before, strict=True):
            mean.add_(kept, alpha=weight)
            kept.copy_(before)
        self._count(-1)

    def close(self) -> None:
        """Leave the means, after one step more."""
        for mean, kept in zip(self.means, self._kept, strict=True):
            kept.copy_(mean)
        self._count(1)

    def _count(self, steps: int) -> None:
        for norm in self._norms:
            norm.count(steps)
