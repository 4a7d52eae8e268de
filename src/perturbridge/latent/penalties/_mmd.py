"""Maximum mean discrepancy between the cells of two labels, within strata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ._gradient import scale_gradient
from ._kernel import gaussian_kernel
from ._residual import MOST_CELLS, Cells, Term, buffer, comparable, nothing, overlap_buffers, pair_mean

if TYPE_CHECKING:
    from ._overlap import Overlap

__all__ = ["MMD"]


class MMD(nn.Module):
    """Mean over pairs of labels {a, b} of Σ_{i≠j} α_i α_j k_ij κ_ij / (n(n − 1)), the squared MMD of a against b, unbiased.

    α_i = h(s)/P(a | s) for cells of a, −h(s)/P(b | s) for cells of b, with h = P(a | s)P(b | s)/(P(a | s) + P(b | s)) and scaled so that
    each side has mass 1: both sides have the same mixture of strata, and strata with one of the two alone weigh nothing.
    κ = (1 + [s_i = s_j]), a kernel on strata, finds also effects that cancel between strata. k is the mean of Gaussian kernels at
    1/4, 1 and 4 times the median squared distance. Expectation 0 when z does not depend on the label within strata (exactly, over
    relabelings of the training cells within strata); it may be negative. A pair counts by its overlap,
    min(1, 2 · n_labels · mass), which is 1 where labels are spread evenly over strata. Gretton et al.
    2012 (JMLR 13:723) for the U-statistic, Li & Li 2019 (Ann. Appl. Stat. 13:2389) for the weights. n is the minibatch, at most its first 256 cells.

    Parameters
    ----------
    overlap
        Training cells by stratum and label.
    """

    counts: Tensor
    shares: Tensor
    mass: Tensor
    left_out: Tensor
    same_stratum: float

    def __init__(self, overlap: Overlap) -> None:
        super().__init__()
        overlap_buffers(self, overlap)
        shares, weight = overlap.shares, overlap.stratum_shares
        n = overlap.n_labels
        mass, variance = np.zeros((n, n)), np.zeros(len(shares))
        for a in range(n):
            both = shares[:, [a]] + shares
            tilt = np.divide(shares[:, [a]] * shares, both, out=np.zeros_like(shares), where=both > 0)
            mass[a] = weight @ tilt
            mass[a, a] = 0.0
        # Little overlap makes the statistic noisy by 1/mass; unweighted, its noise would cost biology.
        mass /= np.sqrt(np.clip(2.0 * n * mass, 1e-12, 1.0))
        for a in range(n):
            variance += (shares[:, a, None] * self._contrast(shares, np.full(len(shares), a), mass) ** 2).sum(axis=1)
        self.n_pairs = int((mass > 0).sum()) // 2
        self.register_buffer("mass", buffer(mass))
        self.register_buffer("left_out", buffer(overlap.left_out(variance)))
        self.same_stratum = 1.0 / (1.0 + float(np.sum(weight**2)))

    @staticmethod
    def _contrast(rows: np.ndarray, label: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """|α| of cells of one label against each other label `(n, n_labels)`."""
        both = rows[np.arange(len(rows)), label][:, None] + rows
        out = np.divide(rows, both, out=np.zeros_like(rows), where=both > 0)
        scaled: np.ndarray = np.divide(out, mass[label], out=np.zeros_like(rows), where=mass[label] > 0)
        return scaled

    def forward(self, cells: Cells, strength: float = 1.0) -> Term:
        """Return the statistic; `strength` times its gradient reaches z."""
        some = Cells(*(part[:MOST_CELLS] for part in cells))
        z, label, stratum = comparable(self.counts, some._replace(z=scale_gradient(some.z, strength)))
        if len(z) < 2:
            return nothing(cells.z)
        rows, mass = self.shares[stratum], self.mass[label]
        own = rows.gather(1, label[:, None])
        size = torch.where(mass > 0, rows / (own + rows) / mass.clamp_min(1e-30), torch.zeros_like(rows))
        same_label = label[:, None] == label[None, :]
        same = (stratum[:, None] == stratum[None, :]).to(z.dtype)
        across = size[:, label]
        gram = torch.where(same_label, size @ size.T, -across * across.T)
        gram = (gram + same * self.left_out[stratum][:, None]) / max(self.n_pairs, 1)
        kernel = gaussian_kernel(z) * (1.0 + same) * self.same_stratum
        value = pair_mean(kernel * gram)
        return Term(value, value.detach())
