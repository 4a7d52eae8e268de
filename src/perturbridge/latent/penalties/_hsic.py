"""Hilbert-Schmidt independence criterion of latent and label, within strata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from ._gradient import scale_gradient
from ._kernel import gaussian_kernel
from ._residual import MOST_CELLS, Cells, Term, buffer, comparable, nothing, overlap_buffers, pair_mean

if TYPE_CHECKING:
    from ._overlap import Overlap

__all__ = ["HSIC"]


class HSIC(nn.Module):
    """Σ_{i≠j} k_ij κ_ij r_i·r_j / (n(n − 1) · V_k · V_r): the squared covariance of z and label within strata, as a share of its most.

    r = (1[c] − P(c | s)) / √P(c), so that rare labels count as much as frequent ones; k is the Gaussian kernel of the median squared
    distance; κ = 1 + [s_i = s_j]. V_k = 1 − mean of k over pairs and V_r = E‖r‖² are the variances of both sides, so the figure is free of
    scale: 0 in expectation when z does not depend on the label within strata, at most about 1. The conditional cross-covariance of
    Fukumizu et al. 2007 (NeurIPS), with the conditional mean of the label known instead of estimated. n is the minibatch, at most its first 256 cells.

    Parameters
    ----------
    overlap
        Training cells by stratum and label.
    """

    counts: Tensor
    shares: Tensor
    root_shares: Tensor
    left_out: Tensor
    variance: float
    same_stratum: float

    def __init__(self, overlap: Overlap) -> None:
        super().__init__()
        overlap_buffers(self, overlap)
        roots = np.sqrt(np.maximum(overlap.label_shares, 1e-30))
        per_stratum = (overlap.shares * (1.0 - overlap.shares) / roots**2).sum(axis=1)
        self.register_buffer("root_shares", buffer(roots))
        self.register_buffer("left_out", buffer(overlap.left_out(per_stratum)))
        self.variance = float(overlap.stratum_shares @ per_stratum)
        self.same_stratum = 1.0 / (1.0 + float(np.sum(overlap.stratum_shares**2)))

    def forward(self, cells: Cells, strength: float = 1.0) -> Term:
        """Return the criterion; `strength` times its gradient reaches z."""
        some = Cells(*(part[:MOST_CELLS] for part in cells))
        z, label, stratum = comparable(self.counts, some._replace(z=scale_gradient(some.z, strength)))
        if len(z) < 2:
            return nothing(cells.z)
        one_hot = nn.functional.one_hot(label, self.shares.shape[1])
        residual = (one_hot - self.shares[stratum]) / self.root_shares
        same = (stratum[:, None] == stratum[None, :]).to(z.dtype)
        gram = residual @ residual.T + same * self.left_out[stratum][:, None]
        kernel = gaussian_kernel(z, bandwidths=(1.0,))
        spread = (1.0 - pair_mean(kernel)).clamp_min(1e-6)
        value = pair_mean(kernel * (1.0 + same) * self.same_stratum * gram) / (spread * self.variance)
        return Term(value, value.detach())
