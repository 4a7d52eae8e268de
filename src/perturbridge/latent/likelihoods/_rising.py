"""ln Γ(x + θ) − ln Γ(θ) and its derivative at the counts that are not zero, without a dense digamma."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from perturbridge.latent.cells._table import TABLE_ROWS

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["rising"]


def rising(
    values: Tensor,
    theta: Tensor,
    cells: tuple[Tensor | None, Tensor] | None = None,
    *,
    is_plain: bool = False,
    gradient: bool,
) -> tuple[Tensor, Tensor | None]:
    """S(x, θ) = Σ_{k<x} ln(θ + k) = ln Γ(x + θ) − ln Γ(θ), and dS/dθ = Σ_{k<x} 1/(θ + k).

    Parameters
    ----------
    values
        Counts that are not zero `(n_values,)`.
    theta
        Dispersion of each of them `(n_values,)`; with `cells`, the few distinct dispersions `(n_sets, n_genes)`.
    cells
        Set (None where there is one) and gene of every value: the sums are then looked up in a table over k, which is faster than 16 ns per digamma.
    is_plain
        Whether every value is known to be a whole number of at most 16.
    gradient
        Whether dS/dθ is wanted.

    Returns
    -------
    sums, slopes
        `(n_values,)` each; no slopes without `gradient`.
    """
    if cells is None:
        return _direct(values, theta, gradient=gradient)
    row, gene = cells
    n_sets, n_genes = theta.shape
    k = torch.arange(TABLE_ROWS, dtype=theta.dtype, device=theta.device).reshape(-1, 1, 1)
    shifted = theta + k
    last = values if is_plain else values.round().clamp(1, TABLE_ROWS)
    place = torch.add(gene, last.long(), alpha=n_sets * n_genes) - n_sets * n_genes
    if row is not None:
        place = torch.add(place, row, alpha=n_genes)
    sums = shifted.log().cumsum_(0).view(-1).index_select(0, place)
    slopes = shifted.reciprocal_().cumsum_(0).view(-1).index_select(0, place) if gradient else None
    if not is_plain:
        # Fractional and large counts are no sums over few k; there are few of them.
        odd = torch.nonzero(values != last).view(-1)
        of = theta[0 if row is None else row[odd], gene[odd].long()]
        exact, slope = _direct(values[odd], of, gradient=gradient)
        sums[odd] = exact
        if slopes is not None and slope is not None:
            slopes[odd] = slope
    return sums, slopes


def _direct(values: Tensor, theta: Tensor, *, gradient: bool) -> tuple[Tensor, Tensor | None]:
    # The difference of two large ln Γ loses float32's digits.
    wide, more = theta.double(), theta.double() + values.double()
    sums = torch.lgamma(more) - torch.lgamma(wide)
    slopes = (torch.digamma(more) - torch.digamma(wide)).to(theta.dtype) if gradient else None
    return sums.to(theta.dtype), slopes
