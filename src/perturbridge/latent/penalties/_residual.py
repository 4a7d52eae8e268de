"""Labels as a penalty sees them: within strata."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._overlap import Overlap

__all__ = ["MOST_CELLS", "Cells", "Term", "buffer", "comparable", "nothing", "overlap_buffers", "pair_mean"]


# Pairs grow with the square of the minibatch; its first cells are a random sample of it.
MOST_CELLS = 256
TINY = 1e-8


class Term(NamedTuple):
    """One penalty on one minibatch.

    Parameters
    ----------
    loss
        Scalar to add to the training loss.
    figure
        Scalar without gradient: how much of the label was found, 0 for nothing.
    """

    loss: Tensor
    figure: Tensor


class Cells(NamedTuple):
    """What a penalty looks at: a block of the latent `(n_cells, n_dims)`, labels and strata `(n_cells,)`, -1 where unknown."""

    z: Tensor
    label: Tensor
    stratum: Tensor


def buffer(values: NDArray) -> Tensor:  # type: ignore[type-arg]
    """Return float32 values for a module's buffer."""
    return torch.tensor(values, dtype=torch.float32)


def comparable(counts: Tensor, cells: Cells) -> Cells:
    """Keep the cells whose stratum had, in training, their own label and at least one other; standardize their dimensions.

    Mean 0 and variance 1 over the kept cells, with gradient: a label that is only made small is as plain to a probe as before, and
    so it is here.
    """
    known = (cells.label >= 0) & (cells.stratum >= 0)
    label, stratum = cells.label.clamp_min(0), cells.stratum.clamp_min(0)
    keep = known & (counts[stratum, label] > 0)
    z = cells.z[keep]
    if len(z) > 1:
        z = (z - z.mean(dim=0)) * (z.var(dim=0) + TINY).rsqrt()
    return Cells(z, label[keep], stratum[keep])


def nothing(z: Tensor) -> Term:
    """Return the term of a minibatch without comparable cells: 0, still part of the graph."""
    zero = z.sum() * 0.0
    return Term(zero, zero.detach())


def pair_mean(products: Tensor) -> Tensor:
    """Return the mean over ordered pairs of different cells of `(n, n)` values, the U-statistic."""
    n = len(products)
    return (products.sum() - products.diagonal().sum()) / (n * (n - 1))


def overlap_buffers(module: nn.Module, overlap: Overlap) -> None:
    """Register counts `(n_strata, n_labels)` and P(c | s) with the module, so that they move and are saved with it."""
    module.register_buffer("counts", buffer(overlap.counts))
    module.register_buffer("shares", buffer(overlap.shares))
