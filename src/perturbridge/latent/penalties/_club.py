"""An upper bound of the mutual information of latent and label, within strata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.func import functional_call

from ._conditional_logits import ConditionalClassifier
from ._gradient import scale_gradient
from ._residual import Cells, Term, comparable, nothing

if TYPE_CHECKING:
    from ._overlap import Overlap

__all__ = ["CLUB"]


class CLUB(nn.Module):
    """E[log q(c | z, s)] − E_{c' ~ P(c | s)}[log q(c' | z, s)] ≥ I(z; c | s), nats per cell, where q is the true conditional.

    The contrastive log-ratio bound of Cheng et al. 2020 (ICML), conditional on the stratum; the label is discrete, so the second
    expectation is a sum and nothing is drawn. q learns by cross-entropy and sees no gradient of the bound; the encoder sees no
    gradient of the cross-entropy. For any q whatever the expectation is 0 when z does not depend on the label within strata.

    Parameters
    ----------
    overlap
        Training cells by stratum and label.
    n_dims
        Width of the block.
    generator
        Draws the first weights.
    """

    def __init__(self, overlap: Overlap, *, n_dims: int, generator: torch.Generator) -> None:
        super().__init__()
        self.head = ConditionalClassifier(overlap, n_dims=n_dims, generator=generator, hidden=(64, 64))

    def forward(self, cells: Cells, strength: float = 1.0) -> Term:
        """Return bound + loss of q; `strength` times the gradient of the bound reaches z."""
        kept = comparable(self.head.counts, cells._replace(z=scale_gradient(cells.z, strength)))
        if len(kept.z) < 2:
            return nothing(cells.z)
        fixed = {name: p.detach() for name, p in self.head.net.named_parameters()}
        scores = functional_call(self.head.net, fixed, (kept.z,))
        one_hot = nn.functional.one_hot(kept.label, scores.shape[1])
        residual = one_hot - self.head.shares[kept.stratum]
        # The normalizer and the offset of q cancel: a residual sums to 0 over labels and, on average, over a stratum.
        bound = (residual * scores).sum(dim=1).mean()
        learning = self.head.roughness(kept) - self.head.gain(kept._replace(z=kept.z.detach())).mean()
        return Term(bound + learning - learning.detach(), bound.detach())
