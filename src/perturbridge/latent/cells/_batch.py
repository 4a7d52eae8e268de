"""What one step sees of the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Batch", "SparseRows"]


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Values of some cells that are not zero, in the order of the cells.

    Parameters
    ----------
    shape
        `(n_cells, n_genes)`.
    row, col
        Cell in the batch and gene of each value `(n_values,)`.
    value
        Counts, or log1p values `(n_values,)`.
    at
        `row · n_genes + col`, position in the flattened dense matrix `(n_values,)`, int64, each once.
    offsets
        Where the values of each cell begin and end `(n_cells + 1,)`, int64.
    total, log_factorial
        Σ x and Σ ln x! over the genes of each cell `(n_cells,)`.
    is_plain
        True where every value is known to be a whole number of at most 16.
    """

    shape: tuple[int, int]
    row: Tensor
    col: Tensor
    value: Tensor
    at: Tensor
    offsets: Tensor
    total: Tensor
    log_factorial: Tensor
    is_plain: bool = False

    @classmethod
    def from_dense(cls, matrix: Tensor) -> SparseRows:
        """Build from a dense matrix `(n_cells, n_genes)`."""
        n_genes = matrix.shape[1]
        row, col = torch.nonzero(matrix, as_tuple=True)
        ends = torch.bincount(row, minlength=len(matrix)).cumsum(0)
        return cls(
            shape=(len(matrix), n_genes),
            row=row,
            col=col,
            value=matrix[row, col],
            at=row * n_genes + col,
            offsets=torch.cat([torch.zeros_like(ends[:1]), ends]),
            total=matrix.sum(1),
            log_factorial=torch.lgamma(matrix + 1).sum(1),
        )

    @classmethod
    def stack(cls, parts: Sequence[SparseRows]) -> SparseRows:
        """Put cells of several below one another."""
        cells, values = [0], [0]
        for part in parts:
            cells.append(cells[-1] + part.shape[0])
            values.append(values[-1] + len(part.value))
        n_genes = parts[0].shape[1]
        row = torch.cat([part.row + start for part, start in zip(parts, cells, strict=False)])
        col = torch.cat([part.col for part in parts])
        heads = [part.offsets[:-1] + start for part, start in zip(parts, values, strict=False)]
        return cls(
            shape=(cells[-1], n_genes),
            row=row,
            col=col,
            value=torch.cat([part.value for part in parts]),
            at=row * n_genes + col,
            offsets=torch.cat([*heads, parts[-1].offsets[-1:] + values[-2]]),
            total=torch.cat([part.total for part in parts]),
            log_factorial=torch.cat([part.log_factorial for part in parts]),
            is_plain=all(part.is_plain for part in parts),
        )

    def by_cell(self, values: Tensor) -> Tensor:
        """Sum one number per value over each cell `(n_cells,)`."""
        return torch.segment_reduce(values, "sum", offsets=self.offsets, initial=0, unsafe=True)

    def dense(self, values: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
        """Lay out one number per value that is not zero as `(n_cells, n_genes)`."""
        out = torch.zeros(self.shape[0] * self.shape[1], dtype=dtype or values.dtype, device=values.device)
        return out.scatter_add_(0, self.at, values.to(out.dtype)).view(self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """Cells of one step.

    Parameters
    ----------
    counts
        Their values.
    context
        Code of the context of each cell `(n_cells,)`, int64; zeros where the model has one context.
    stratum
        Code of the perturbation (joined with the state where there is one), within which penalties compare contexts.
    label
        Code of the label for semi-supervision, -1 where unknown.
    condition
        What is injected into the decoder `(n_cells, n_condition)`, or None.
    """

    counts: SparseRows
    context: Tensor
    stratum: Tensor
    label: Tensor
    condition: Tensor | None = None

    @property
    def n_cells(self) -> int:
        """Cells in the batch."""
        return self.counts.shape[0]
