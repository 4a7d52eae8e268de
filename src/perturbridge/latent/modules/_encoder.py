"""From the counts of a cell to q(z | x)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ._layers import Linear, Stack
from ._posterior import Posterior

if TYPE_CHECKING:
    from torch import Tensor

    from perturbridge.latent._architecture import Architecture
    from perturbridge.latent._noise import Noise
    from perturbridge.latent.cells._batch import SparseRows

__all__ = ["Encoder", "log_values"]


def log_values(counts: SparseRows, *, scaled: bool, logged: bool, target_sum: float) -> Tensor:
    """What the encoder sees of the values that are not zero `(n_values,)`: ln(1 + x), with `scaled` ln(1 + x · target_sum / Σx)."""
    if logged:
        return counts.value
    if not scaled:
        return counts.value.log1p()
    scale = target_sum / counts.total.clamp_min(1)
    return (counts.value * scale.index_select(0, counts.row)).log1p()


class Encoder(nn.Module):
    """Hidden layers over log values, then means and log-variances of `n_out` normals."""

    def __init__(
        self, n_genes: int, n_out: int, *, architecture: Architecture, n_contexts: int, source: torch.Generator
    ) -> None:
        super().__init__()
        self.stack = Stack(
            n_genes,
            n_hidden=architecture.n_hidden,
            n_layers=architecture.n_layers,
            norm=architecture.norm,
            dropout=architecture.dropout,
            n_context=n_contexts if architecture.encode_context else 0,
            context_codes=True,
            source=source,
        )
        self.heads = Linear(architecture.n_hidden, 2 * n_out, source=source)
        self.sd = architecture.posterior_sd

    def forward(
        self, counts: SparseRows, values: Tensor, *, context: Tensor, noise: Noise | None, low: bool
    ) -> Posterior:
        """Encode the cells of a batch; `values` are the `log_values` of `counts`."""
        dense = counts.dense(values, dtype=torch.bfloat16 if low else values.dtype)
        hidden = self.stack(dense, context=context, noise=noise, low=low)
        return Posterior.of(self.heads(hidden), sd=self.sd)
