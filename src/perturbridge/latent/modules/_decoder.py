"""From z to the parameters of p(x | z)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from ._layers import CodeTable, Linear, Stack

if TYPE_CHECKING:
    from torch import Tensor

    from perturbridge.injection import Injection
    from perturbridge.latent._architecture import Architecture

__all__ = ["Decoded", "Decoder"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder returns; every field `(n_cells, n_genes)`.

    Parameters
    ----------
    logits
        The rate is their softmax over genes; for the Gaussian they are the means.
    log_theta
        ln θ (Gaussian: ln σ²) where it is decoded for each cell, else None.
    zero_logits
        Logit of the share of extra zeros, None without them.
    """

    logits: Tensor
    log_theta: Tensor | None
    zero_logits: Tensor | None


class Decoder(nn.Module):
    """Hidden layers over z (with what is injected) and the context, then one linear head per decoded parameter.

    Parameters
    ----------
    n_genes, n_contexts
        Sizes.
    architecture
        Settings.
    injection
        Brings a condition in, or None.
    source
        Draws the weights.
    """

    def __init__(
        self,
        n_genes: int,
        n_contexts: int,
        *,
        architecture: Architecture,
        injection: Injection | None,
        source: torch.Generator,
    ) -> None:
        super().__init__()
        by_code = architecture.context_as == "one_hot"
        self.embed = (
            None if by_code else CodeTable(n_contexts, architecture.n_context_dims, bound=3**0.5, source=source)
        )
        n_told = n_contexts if by_code else architecture.n_context_dims
        self.additive = architecture.decoder == "additive"
        self.injection = injection
        self.stack = Stack(
            architecture.n_dims if injection is None else injection.n_inputs,
            n_hidden=architecture.n_hidden,
            n_layers=architecture.n_layers,
            norm=architecture.norm,
            dropout=0.0,
            n_context=n_told if architecture.decode_context else 0,
            context_codes=by_code,
            source=source,
        )
        heads = {
            "rate": True,
            "theta": architecture.dispersion == "gene-cell",
            "zero": architecture.likelihood == "zinb",
        }
        self.heads = nn.ModuleDict(
            {name: Linear(architecture.n_hidden, n_genes, source=source) for name, wanted in heads.items() if wanted}
        )

    def forward(self, z: Tensor, context: Tensor, condition: Tensor | None = None, *, low: bool = False) -> Decoded:
        """Decode `(n_cells, n_dims)` in the contexts `(n_cells,)` under the conditions `(n_cells, n_condition)`."""
        if self.additive:
            return self._added(z, context, condition, low=low)
        return self._decode(z, context, condition, low=low)

    def _added(self, z: Tensor, context: Tensor, condition: Tensor | None, *, low: bool) -> Decoded:
        """Each dimension through the same layers, as a cell of its own whose other dimensions are 0; then ln Σ_d exp."""
        n_cells, n_dims = z.shape
        alone = torch.diag_embed(z).reshape(n_cells * n_dims, n_dims)
        of_each = None if condition is None else condition.repeat_interleave(n_dims, dim=0)
        parts = self._decode(alone, context.repeat_interleave(n_dims), of_each, low=low)
        logits = parts.logits.reshape(n_cells, n_dims, -1).logsumexp(dim=1)

        def mean(values: Tensor | None) -> Tensor | None:
            return None if values is None else values.reshape(n_cells, n_dims, -1).mean(dim=1)

        return Decoded(logits, mean(parts.log_theta), mean(parts.zero_logits))

    def _decode(self, z: Tensor, context: Tensor, condition: Tensor | None, *, low: bool) -> Decoded:
        modulate = None
        injection = self.injection
        if injection is not None and condition is not None:
            given = condition
            z = injection.enter(z, given)

            def modulate(hidden: Tensor, layer: int) -> Tensor:
                return injection.modulate(hidden, given, layer=layer)

        told = context if self.embed is None else self.embed(context)
        hidden = self.stack(z, context=told, noise=None, low=low, modulate=modulate)
        by_name = {name: head(hidden, low=low) for name, head in self.heads.items()}
        return Decoded(by_name["rate"], by_name.get("theta"), by_name.get("zero"))
