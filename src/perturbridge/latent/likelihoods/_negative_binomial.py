"""Negative binomial of counts, zero-inflated or not: value and gradient in one pass over the dense part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from ._rising import rising

if TYPE_CHECKING:
    from collections.abc import Callable

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
    fused: Callable[..., Tensor] = _Fused.apply
    return fused(logits.contiguous(), log_library, log_theta, zero_logits, counts, sets)


# Beyond it every zero is an extra one, to float32's digits; σ(−80) is still a number.
LARGEST_LOGIT = 80.0


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:  # noqa: ANN401 - torch's own signature
        logits, log_library, log_theta, zero_logits, counts, sets = inputs
        total, kept = _evaluate(
            logits,
            log_theta,
            counts,
            log_library=log_library,
            sets=sets,
            zero_logits=zero_logits,
            gradient=any(ctx.needs_input_grad),
        )
        if kept is not None:
            ctx.save_for_backward(*kept, sets)
            ctx.n_sets = len(log_theta)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's own signature
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


def _evaluate(
    logits: Tensor,
    log_theta: Tensor,
    counts: SparseRows,
    *,
    log_library: Tensor,
    sets: Tensor | None,
    zero_logits: Tensor | None,
    gradient: bool,
) -> tuple[Tensor, tuple[Tensor | None, ...] | None]:
    """Value by cell, and by cell and gene the derivatives after logits, ln library (by cell), ln θ and zero_logits.

    Buffers of the size of the batch are written over where they can be: a new one costs more than the arithmetic on it.
    """
    at, x = counts.at, counts.value
    theta = log_theta.exp() if sets is None else log_theta.exp().index_select(0, sets)
    rate = torch.softmax(logits, dim=1)
    none = (log_library.exp() / theta).mul_(rate)  # μ/θ for now
    weight = none + 1
    torch.div(none, weight, out=weight)  # μ/(θ + μ)
    minus = -theta
    none.log1p_().mul_(minus)  # ln NB(0) = −θ ln(1 + μ/θ)
    weight_at, none_at = weight.view(-1).index_select(0, at), none.view(-1).index_select(0, at)
    theta_at = theta.view(-1).index_select(0, at if len(theta) > 1 else counts.col)
    sums, slopes = _rising(counts, log_theta, theta_at, sets=sets, gradient=gradient)
    # Of ln μ = logit − normalizer + ln l the last two are the same for a cell: they meet Σ x, not every x.
    normalizer = logits.amax(1) - rate.amax(1).log()
    log_sum = theta_at.log() - none_at / theta_at  # ln(θ + μ)
    seen = x * (logits.view(-1).index_select(0, at) - log_sum) + sums
    total = counts.by_cell(seen) + counts.total * (log_library.view(-1) - normalizer) - counts.log_factorial
    share = zero_pull = None
    if zero_logits is None:
        total += none.sum(1)
    else:
        mixed, share, zero_pull = _mixed(none, zero_logits, at=at, none_at=none_at)
        total += mixed
    if slopes is None:
        return total, None
    pull = weight.mul_(minus)
    turn = none.sub_(pull)
    if share is not None:
        pull *= share
        turn *= share
    kept = x * (1 - weight_at)
    pull.view(-1).scatter_add_(0, at, kept)
    turn.view(-1).scatter_add_(0, at, theta_at * slopes - kept)
    whole = pull.sum(1, keepdim=True)
    return total, (pull.addcmul_(rate, whole, value=-1), whole, turn, zero_pull)


def _rising(
    counts: SparseRows, log_theta: Tensor, theta_at: Tensor, *, sets: Tensor | None, gradient: bool
) -> tuple[Tensor, Tensor | None]:
    one_per_cell = sets is None and len(log_theta) > 1
    if theta_at.device.type != "cpu" or one_per_cell:
        return rising(counts.value, theta_at, gradient=gradient)
    row = None if sets is None else sets.index_select(0, counts.row)
    return rising(counts.value, log_theta.exp(), (row, counts.col), is_plain=counts.is_plain, gradient=gradient)


def _mixed(none: Tensor, zero_logits: Tensor, *, at: Tensor, none_at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ over zeros of ln(π + (1 − π) NB(0)), and over the others of ln(1 − π) + ln NB(0), by cell; what of it is NB's, by value; dΣ/dlogit.

    With a = ln NB(0), l the logit: ln(e^a + e^l) − ln(1 + e^l) = max(a, l) + ln σ(−l)/σ(|a − l|), which takes one logarithm; the share of
    NB is σ(a − l), 1 where the count is not zero, and the derivative after l is σ(−l) − share.
    """
    logit = zero_logits.clamp_max(LARGEST_LOGIT)
    share = torch.sigmoid(none - logit)
    rest = torch.sigmoid(-logit)
    larger = torch.maximum(share, 1 - share)
    mixed = torch.div(rest, larger, out=larger).log_().add_(torch.maximum(none, logit))
    mixed.view(-1).index_copy_(0, at, none_at + rest.view(-1).index_select(0, at).log())
    share.view(-1).index_fill_(0, at, 1)
    return mixed.sum(1), share, rest.sub_(share)
