"""Keeping two blocks of the latent apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._gradient import scale_gradient
from ._residual import Term, nothing

__all__ = ["CrossCovariance"]


class CrossCovariance(nn.Module):
    """⟨C₁, C₂⟩_F, C_h = pooled within-stratum correlation of two blocks in one half h of the minibatch: unbiased for ‖C‖²_F.

    C_h = Σ_s Σ_{i ∈ s, h} (x_i − x̄_s)ᵀ(y_i − ȳ_s) / Σ_s (n_s − 1), each column divided by its within-stratum standard deviation over
    both halves, so that neither block can please by shrinking. Two halves instead of a square: noise does not count as covariance.
    Expectation 0 when the blocks are uncorrelated within strata; at most about min(n_left, n_right). After Cheung et al. 2014
    (arXiv:1412.6583). Cells without a stratum are left out; a stratum with one cell in a half says nothing there.

    Parameters
    ----------
    n_strata
        Strata.
    """

    def __init__(self, n_strata: int) -> None:
        super().__init__()
        self.n_strata = n_strata

    def forward(self, left: Tensor, right: Tensor, stratum: Tensor, *, strength: float = 1.0) -> Term:
        """Return the statistic for blocks `(n, n_left)` and `(n, n_right)`; `strength` times its gradient reaches both."""
        known = stratum >= 0
        both = torch.cat([left, right], dim=1)[known]
        kept = stratum[known]
        # Halves within each stratum by turns, so that both have as many cells of it as can be.
        half = _rank_within(kept) % 2
        group = kept * 2 + half
        deviation, degrees = self._centered(scale_gradient(both, strength), group)
        if degrees.min() < 1:
            return nothing(both)
        n_left = left.shape[1]
        scale = (deviation.square().sum(dim=0) / degrees.sum()).clamp_min(1e-12).rsqrt()
        scaled = deviation * scale
        first, second = (scaled[half == h, :n_left].T @ scaled[half == h, n_left:] / degrees[h] for h in (0, 1))
        value = (first * second).sum()
        return Term(value, value.detach())

    def _centered(self, values: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """Deviations from the mean of each half stratum, and the degrees of freedom of both halves `(2,)`."""
        n_groups = 2 * self.n_strata
        sizes = torch.bincount(group, minlength=n_groups).to(values.dtype)
        sums = torch.zeros(n_groups, values.shape[1], dtype=values.dtype, device=values.device)
        means = sums.index_add(0, group, values) / sizes.clamp_min(1.0)[:, None]
        degrees = (sizes - 1.0).clamp_min(0.0).reshape(-1, 2).sum(dim=0)
        return values - means[group], degrees


def _rank_within(codes: Tensor) -> Tensor:
    """Return 0, 1, 2, … for the cells of each code, in their order."""
    order = torch.argsort(codes, stable=True)
    ordered = codes[order]
    position = torch.arange(len(codes), device=codes.device)
    starts = torch.searchsorted(ordered, ordered)
    rank = torch.empty_like(position)
    rank[order] = position - starts
    return rank
