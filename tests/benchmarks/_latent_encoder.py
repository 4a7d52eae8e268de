"""The encoder's first layer at 18,000 genes: dense minibatch against sparse products, forward and backward, by density and precision.

128 cells x 18,000 genes into 128 units, one thread; CPU milliseconds (median of 30) from the stored values to the gradient of the weights.
*dense*: values are laid out and multiplied, as the encoder does; *bf16*: the same in bfloat16; *bag*: an embedding bag over the stored
values; *csr*: products of compressed rows. `best sparse / dense` below 1 means that a sparse layer would pay.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

N_CELLS, N_GENES, N_HIDDEN, REPEATS = 128, 18_000, 128, 30


def run(*, quick: bool) -> list[dict]:
    """Measure each way at each density; all give the same gradient."""
    torch.set_num_threads(1)
    rows = []
    for density in (0.03, 0.1) if quick else (0.01, 0.02, 0.03, 0.05, 0.1):
        ways = _ways(density)
        truth = ways["dense"]()
        found: dict[str, float] = {}
        for name, way in ways.items():
            gap = float((way() - truth).abs().max() / truth.abs().max())
            if gap > (2e-2 if name == "bf16" else 1e-4):
                raise RuntimeError(f"{name} has another gradient: {gap}")
            found[name] = _milliseconds(way)
        sparse = min(found["bag"], found["csr"])
        rows.append({"density": density, **found, "best sparse / dense": sparse / min(found["dense"], found["bf16"])})
    return rows


def _milliseconds(way: Callable[[], Tensor]) -> float:
    spent = []
    for _ in range(REPEATS):
        started = time.process_time()
        way()
        spent.append(time.process_time() - started)
    return 1e3 * float(np.median(spent))


def _ways(density: float) -> dict[str, Callable[[], Tensor]]:
    source = torch.Generator().manual_seed(0)
    mask = torch.rand(N_CELLS, N_GENES, generator=source) < density
    row, col = torch.nonzero(mask, as_tuple=True)
    value = torch.rand(len(row), generator=source)
    ends = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(row, minlength=N_CELLS).cumsum(0)])
    at = row * N_GENES + col
    weight = torch.randn(N_HIDDEN, N_GENES, generator=source, requires_grad=True)
    table = weight.detach().T.contiguous().requires_grad_()
    upstream = torch.randn(N_CELLS, N_HIDDEN, generator=source)

    def laid_out(dtype: torch.dtype) -> Tensor:
        return torch.zeros(N_CELLS * N_GENES, dtype=dtype).scatter_add_(0, at, value.to(dtype)).view(N_CELLS, N_GENES)

    def dense() -> Tensor:
        return torch.autograd.grad(functional.linear(laid_out(torch.float32), weight), weight, upstream)[0]

    def bf16() -> Tensor:
        out = functional.linear(laid_out(torch.bfloat16), weight.bfloat16())
        return torch.autograd.grad(out, weight, upstream.bfloat16())[0]

    def bag() -> Tensor:
        out = functional.embedding_bag(col, table, ends[:-1], mode="sum", per_sample_weights=value)
        return torch.autograd.grad(out, table, upstream)[0].T

    def csr() -> Tensor:
        cells = torch.sparse_csr_tensor(ends, col, value, (N_CELLS, N_GENES))
        with torch.no_grad():
            _ = cells @ table
            order = torch.argsort(col, stable=True)
            starts = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(col, minlength=N_GENES).cumsum(0)])
            turned = torch.sparse_csr_tensor(starts, row[order], value[order], (N_GENES, N_CELLS))
            return (turned @ upstream).T

    return {"dense": dense, "bf16": bf16, "bag": bag, "csr": csr}
