"""Negative binomial of counts, zero-inflated or not: value and gradient in one pass over the dense part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from ._rising import rising

if TYPE_CHECKING:
    from torch import Tensor

    from perturbridge.latent.cells._batch import SparseRows

__all__ = ["negative_binomial"]


def negative_binomial(
    logits: Tensor,
    log_theta: Tensor,
    counts: SparseRows,
    *,
    log_library: Tensor,
    sets: Tensor | None = None,
    zero_logits: Tensor | None = None,
) -> Tensor:
    """Σ_g ln NB(x_g | μ_g = l · softmax(logits)_g, θ_g), NB variance μ + μ²/θ; with π = σ(zero_logits) mixed with zeros.

    Dense work is θ·ln(1 + μ/θ) and its derivative alone; everything that depends on x is added at the counts that are not zero. The
    gradient is analytic and computed in the same pass; second derivatives are not available.

    Parameters
    ----------
    logits
        `(n_cells, n_genes)`.
    log_theta
        ln θ: `(n_sets, n_genes)`, one row for all cells, one per context with `sets`, or one per cell.
    counts
        The counts that are not zero.
    log_library
        ln l, `(n_cells, 1)`.
    sets
        Row of `log_theta` for each cell `(n_cells,)`; None where there is one row, or one per cell.
    zero_logits
        Logit of the share of extra zeros `(n_cells, n_genes)`, or None.

    Returns
    -------
    Tensor
        Log-likelihood in nats `(n_cells,)`, ln x! included; higher is better. Agrees with `scvi.distributions.NegativeBinomial` and
        `ZeroInflatedNegativeBinomial`.
    """
    result: Tensor = _Fused.apply(logits, log_library, log_theta, zero_logits, counts, sets)
    return result


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own context
        logits: Tensor,
        log_library: Tensor,
        log_theta: Tensor,
        zero_logits: Tensor | None,
        counts: SparseRows,
        sets: Tensor | None,
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        one_per_cell = sets is None and len(log_theta) > 1
        theta = log_theta.exp()
        by_cell = theta[sets] if sets is not None else theta
        rate = torch.softmax(logits, dim=1)
        mean = rate * log_library.exp()
        ratio = mean.div_(by_cell)
        weight = ratio / (ratio + 1)
        none = ratio.log1p_().mul_(by_cell).neg_()  # ln NB(0) = −θ ln(1 + μ/θ)
        at, x, row = counts.at, counts.value, counts.row
        weight_at, none_at = weight.reshape(-1)[at], none.reshape(-1)[at]
        theta_at = by_cell[row, counts.col] if len(by_cell) > 1 else by_cell[0][counts.col]
        table = None
        if logits.device.type == "cpu" and not one_per_cell:
            table = (sets[row] if sets is not None else torch.zeros_like(row), counts.col)
        sums, slopes = rising(x, theta if table else theta_at, table, gradient=wanted)
        log_rate = _log_rate(logits, rate, counts)
        log_sum = theta_at.log() - none_at / theta_at  # ln(θ + μ)
        seen = x * (log_rate + log_library.reshape(-1)[row] - log_sum) + sums - torch.lgamma(x + 1)
        zeros_share = None if zero_logits is None else torch.sigmoid(none - zero_logits).reshape(-1)
        value, dense = none, none
        if zero_logits is not None and zeros_share is not None:
            dense = torch.logaddexp(zero_logits, none)
            dense.reshape(-1)[at] = none_at
            value = dense - torch.nn.functional.softplus(zero_logits)
            zeros_share[at] = 1
        total = value.sum(1).index_add_(0, row, seen)
        if wanted:
            pull = weight.mul_(by_cell).neg_()
            turn = none - pull
            zero_pull = None
            if zero_logits is not None and zeros_share is not None:
                share = zeros_share.reshape(pull.shape)
                pull *= share
                turn *= share
                zero_pull = (1 - share) - torch.sigmoid(zero_logits)
            kept = x * (1 - weight_at)
            pull.reshape(-1).index_add_(0, at, kept)
            assert_slopes = slopes if slopes is not None else torch.zeros_like(x)
            turn.reshape(-1).index_add_(0, at, theta_at * assert_slopes - kept)
            whole = pull.sum(1, keepdim=True)
            ctx.save_for_backward(pull.addcmul_(rate, whole, value=-1), whole, turn, zero_pull, sets)
            ctx.n_sets = len(log_theta)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's own context
        by_logits, by_library, turn, zero_pull, sets = ctx.saved_tensors
        column = upstream.unsqueeze(1)
        if sets is not None:
            by_theta = torch.zeros(ctx.n_sets, turn.shape[1], dtype=turn.dtype, device=turn.device)
            by_theta.index_add_(0, sets, turn * column)
        elif ctx.n_sets == 1:
            by_theta = (upstream @ turn).unsqueeze(0)
        else:
            by_theta = turn * column
        by_zero = None if zero_pull is None else zero_pull * column
        return by_logits * column, by_library * column, by_theta, by_zero, None, None


def _log_rate(logits: Tensor, rate: Tensor, counts: SparseRows) -> Tensor:
    """Ln softmax at the counts that are not zero, finite where softmax itself underflows."""
    normalizer = logits.amax(1) - rate.amax(1).log()
    return logits.reshape(-1)[counts.at] - normalizer[counts.row]
