"""Linear layers in either precision, tables by context, and a stack of hidden layers; weights are drawn from a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from perturbridge.latent._noise import Noise

__all__ = ["CodeTable", "Linear", "Norm", "Stack"]

BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.01


class Linear(nn.Module):
    """y = x Wᵀ + b, with W and b uniform in ±1/√fan_in at first.

    In low precision the product is taken in bfloat16 and the bias added in float32, so that its digits are kept.
    """

    def __init__(
        self, n_in: int, n_out: int, *, source: torch.Generator, fan_in: int | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        bound = max(fan_in or n_in, 1) ** -0.5
        self.weight = nn.Parameter(torch.empty(n_out, n_in).uniform_(-bound, bound, generator=source))
        # Drawn in any case: the same seed gives the same weights with and without it.
        drawn = torch.empty(n_out).uniform_(-bound, bound, generator=source)
        self.bias = nn.Parameter(drawn) if bias else None

    def forward(self, x: Tensor, *, low: bool = False) -> Tensor:
        """Apply to `(n_cells, n_in)`."""
        if not low:
            return functional.linear(x, self.weight, self.bias)
        product = functional.linear(x.bfloat16(), self.weight.bfloat16())
        return product.float() if self.bias is None else product + self.bias


class CodeTable(nn.Module):
    """A row of weights for each code; a one-hot code times a matrix is this look-up."""

    def __init__(self, n_codes: int, n_columns: int, *, bound: float, source: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_codes, n_columns).uniform_(-bound, bound, generator=source))

    def forward(self, codes: Tensor) -> Tensor:
        """Return `(n_cells, n_columns)`."""
        return functional.embedding(codes, self.weight)


class Norm(nn.Module):
    """Batch norm as scVI sets it (ε 1e-3, running share 0.01), layer norm without weights, or nothing."""

    def __init__(self, kind: Literal["batch", "layer", "none"], n_columns: int) -> None:
        super().__init__()
        self.batch = nn.BatchNorm1d(n_columns, eps=BATCH_NORM_EPS) if kind == "batch" else None
        self.is_layer = kind == "layer"
        self.is_frozen = False
        self._seen: int | None = None

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's own signature
        """Switch between training and evaluation; batches are counted on the host from here on."""
        self._seen = None
        return super().train(mode)

    def running(self) -> list[Tensor]:
        """Running mean and variance; nothing where there are none, or where they stay as they are."""
        if self.batch is None or self.is_frozen:
            return []
        return [torch.as_tensor(self.batch.running_mean), torch.as_tensor(self.batch.running_var)]

    def count(self, steps: int) -> None:
        """Count some steps more, or fewer, than were taken."""
        if self.batch is not None and not self.is_frozen:
            torch.as_tensor(self.batch.num_batches_tracked).add_(steps)
            self._seen = None if self._seen is None else self._seen + steps

    def forward(self, x: Tensor) -> Tensor:
        """Apply to `(n_cells, n_columns)`."""
        if self.batch is not None:
            if self.is_frozen:
                self.batch.eval()
            elif self.training and self.batch.num_batches_tracked is not None:
                # A plain mean over the first 100 steps: with 0.01 from the start a short run would keep the initial statistics.
                # Asking a GPU for the number at each step would make the host wait.
                seen = int(self.batch.num_batches_tracked) if self._seen is None else self._seen
                self._seen = seen + 1
                self.batch.momentum = max(BATCH_NORM_MOMENTUM, 1 / self._seen)
            return torch.as_tensor(self.batch(x))
        return functional.layer_norm(x, x.shape[1:]) if self.is_layer else x


class Stack(nn.Module):
    """Hidden layers h ▸ ReLU(norm(W h + b + context row)) with dropout; b = 0 where the norm is that of the batch.

    Parameters
    ----------
    n_in
        Columns of the input.
    n_hidden, n_layers
        Width and number of hidden layers.
    norm, dropout
        See `Architecture`.
    n_context
        Columns (or codes) by which the context enters every layer; 0: it does not.
    context_codes
        Whether the context comes as a code (a look-up) or as columns of an embedding.
    source
        Draws the weights.
    """

    def __init__(
        self,
        n_in: int,
        *,
        n_hidden: int,
        n_layers: int,
        norm: Literal["batch", "layer", "none"],
        dropout: float,
        n_context: int,
        context_codes: bool,
        source: torch.Generator,
    ) -> None:
        super().__init__()
        widths = [n_in, *[n_hidden] * (n_layers - 1)]
        fans = [width + n_context for width in widths]
        self.dropout = dropout
        # A batch norm takes every constant off: the gradient of a bias before it is rounding error alone, which Adam blows up to full
        # steps. They would differ from machine to machine, and the running mean would lag behind them.
        self.linear = nn.ModuleList(
            Linear(width, n_hidden, fan_in=fan, source=source, bias=norm != "batch")
            for width, fan in zip(widths, fans, strict=True)
        )
        self.norm = nn.ModuleList(Norm(norm, n_hidden) for _ in widths)
        tables: list[nn.Module] = []
        for fan in fans if n_context else ():
            table = CodeTable(n_context, n_hidden, bound=fan**-0.5, source=source)
            tables.append(table if context_codes else _Columns(table))
        self.context = nn.ModuleList(tables)

    def forward(
        self,
        x: Tensor,
        *,
        context: Tensor | None,
        noise: Noise | None,
        low: bool,
        modulate: Callable[[Tensor, int], Tensor] | None = None,
    ) -> Tensor:
        """Apply to `(n_cells, n_in)`; `noise` None means no dropout."""
        for i, (linear, norm) in enumerate(zip(self.linear, self.norm, strict=True)):
            x = linear(x, low=low)
            if context is not None and len(self.context):
                x = x + self.context[i](context)
            x = norm(x)
            x = (modulate(x, i) if modulate is not None else x).relu()
            if noise is not None and self.dropout > 0:
                x = x * noise.keep(x.shape[1], dropout=self.dropout)
        return x


class _Columns(nn.Module):
    """Columns times the rows of a table."""

    def __init__(self, table: CodeTable) -> None:
        super().__init__()
        self.table = table

    def forward(self, columns: Tensor) -> Tensor:
        """Return `(n_cells, n_hidden)`."""
        return columns @ self.table.weight
