"""Labels that are known for some cells: a prior of z that depends on them, and a classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ._layers import Linear, Stack
from ._posterior import Posterior

if TYPE_CHECKING:
    from torch import Tensor

    from perturbridge.latent._noise import Noise

__all__ = ["LabelPrior", "LabelTerms"]


@dataclass(frozen=True, eq=False)
class LabelTerms:
    """What labels add to the bound.

    Parameters
    ----------
    kl
        E_q(y, u) [ln q(z | x) − ln p(z | u, y)] + KL(q(u | z, y) ‖ N(0, I)) by dimension `(n_cells, n_dims)`.
    kl_label
        KL(q(y | z) ‖ uniform), 0 where the label is known `(n_cells,)`.
    cross_entropy
        Mean −ln q(y | z) of the cells whose label is known, a scalar; 0 where there is none.
    """

    kl: Tensor
    kl_label: Tensor
    cross_entropy: Tensor


class LabelPrior(nn.Module):
    """z ~ p(z | u, y), u ~ N(0, I), y uniform; q(y | z) is a classifier and q(u | z, y) a network (scANVI, Xu et al. 2021).

    Parameters
    ----------
    n_dims, n_labels
        Sizes.
    n_hidden
        Width of the hidden layers.
    source
        Draws the weights.
    """

    def __init__(self, n_dims: int, n_labels: int, *, n_hidden: int, source: torch.Generator) -> None:
        super().__init__()
        self.n_labels = n_labels

        def network(n_in: int, n_out: int) -> nn.ModuleDict:
            stack = Stack(
                n_in,
                n_hidden=n_hidden,
                n_layers=1,
                norm="layer",
                dropout=0.0,
                n_context=0,
                context_codes=True,
                source=source,
            )
            return nn.ModuleDict({"stack": stack, "head": Linear(n_hidden, n_out, source=source)})

        self.classifier = network(n_dims, n_labels)
        self.inner = network(n_dims + n_labels, 2 * n_dims)
        self.outer = network(n_dims + n_labels, 2 * n_dims)

    def logits(self, z: Tensor) -> Tensor:
        """Ln q(y | z) up to a constant `(n_cells, n_labels)`."""
        return _apply(self.classifier, z)

    def given(self, u: Tensor, label: Tensor) -> Posterior:
        """p(z | u, y) for labels by code `(n_cells,)`."""
        told = functional.one_hot(label, self.n_labels).to(u.dtype)
        return Posterior.of(_apply(self.outer, torch.cat([u, told], dim=1)))

    def forward(self, posterior: Posterior, z: Tensor, label: Tensor, *, noise: Noise) -> LabelTerms:
        """Terms at a sample z `(n_cells, n_dims)`; labels are codes, -1 where unknown."""
        logits = self.logits(z)
        known = label >= 0
        guessed = logits.softmax(1)
        # A cell of known label is seen once, one of unknown label under every label, weighed by the classifier.
        sure, unsure = torch.nonzero(known).view(-1), torch.nonzero(~known).view(-1)
        row = torch.cat([sure, unsure.repeat(self.n_labels)])
        every = torch.arange(self.n_labels, device=z.device).repeat_interleave(len(unsure))
        code = torch.cat([label.index_select(0, sure), every])
        weight = torch.cat([torch.ones(len(sure), dtype=z.dtype, device=z.device), guessed[unsure].t().reshape(-1)])
        told = functional.one_hot(code, self.n_labels).to(z.dtype)
        at = z.index_select(0, row)
        inner = Posterior.of(_apply(self.inner, torch.cat([at, told], dim=1)))
        u = inner.at(noise.normal(z.shape[1]).index_select(0, row))
        outer = Posterior.of(_apply(self.outer, torch.cat([u, told], dim=1)))
        extra = (inner.kl() - _log_density(at, outer)) * weight.unsqueeze(1)
        kl = _log_density(z, posterior).index_add(0, row, extra)
        surprise = (guessed * (logits.log_softmax(1) + math.log(self.n_labels))).sum(1)
        known_share = known.to(z.dtype)
        each = functional.cross_entropy(logits, label.clamp_min(0), reduction="none")
        cross_entropy = (each * known_share).sum() / known_share.sum().clamp_min(1)
        return LabelTerms(kl, torch.where(known, torch.zeros_like(surprise), surprise), cross_entropy)


def _apply(network: nn.ModuleDict, x: Tensor) -> Tensor:
    hidden = network["stack"](x, context=None, noise=None, low=False)
    return torch.as_tensor(network["head"](hidden))


def _log_density(z: Tensor, normal: Posterior) -> Tensor:
    """Ln N(z | mean, variance) by dimension."""
    scaled = (z - normal.mean) ** 2 / normal.variance
    return -0.5 * (scaled + normal.variance.log() + math.log(2 * math.pi))
