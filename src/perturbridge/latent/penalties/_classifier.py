"""A head that makes a block of the latent carry a label, and one that keeps a block from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ._conditional_logits import ConditionalClassifier
from ._gradient import scale_gradient
from ._residual import Cells, Term, comparable, nothing

if TYPE_CHECKING:
    import torch

    from ._overlap import Overlap

__all__ = ["Adversary", "Classifier"]


class Classifier(nn.Module):
    """Cross-entropy of the label given a block of the latent and the stratum, class-balanced: the block learns to carry the label.

    figure = information on the label found in the block beyond the stratum, nats per cell.

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
        self.head = ConditionalClassifier(overlap, n_dims=n_dims, generator=generator)

    def forward(self, cells: Cells, strength: float = 1.0) -> Term:
        """Return the loss; the head learns at full rate and `strength` times the gradient reaches z."""
        return _term(self.head, cells, strength)


class Adversary(nn.Module):
    """The same cross-entropy with its gradient reversed on the way to the latent: head and encoder play against each other.

    min over the head, max over the encoder of −log q(c | z, s): at rest, z tells nothing of the label beyond the stratum (Ganin et
    al. 2016, JMLR 17:59, here conditional). The target is the true label, never a flipped one. figure as of `Classifier`.

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
        """Return the loss of the head; −`strength` times its gradient reaches z."""
        return _term(self.head, cells, -strength)


def _term(head: ConditionalClassifier, cells: Cells, factor: float) -> Term:
    kept = comparable(head.counts, cells._replace(z=scale_gradient(cells.z, factor)))
    if len(kept.z) < 2:
        return nothing(cells.z)
    gain = head.gain(kept).mean()
    loss = head.roughness(kept) - gain if factor < 0 else -gain
    return Term(loss, gain.detach())
