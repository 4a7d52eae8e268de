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
        Cell in the batch and gene of each value `(n_values,)`, int64.
    value
        Counts, or log1p values `(n_values,)`, float32.
    at
        `row · n_genes + col`, position in the flattened dense matrix `(n_values,)`.
    """

    shape: tuple[int, int]
    row: Tensor
    col: Tensor
    value: Tensor
    at: Tensor

    @classmethod
    def of(cls, row: Tensor, col: Tensor, value: Tensor, *, shape: tuple[int, int]) -> SparseRows:
        """Build from cells, genes and values of equal length."""
        return cls(shape, row, col, value, row * shape[1] + col)

    @classmethod
    def from_dense(cls, matrix: Tensor) -> SparseRows:
        """Build from a dense matrix `(n_cells, n_genes)`."""
        row, col = torch.nonzero(matrix, as_tuple=True)
        return cls.of(row, col, matrix[row, col], shape=(matrix.shape[0], matrix.shape[1]))

    @classmethod
    def stack(cls, parts: Sequence[SparseRows]) -> SparseRows:
        """Put cells of several below one another."""
        starts = [0]
        for part in parts:
            starts.append(starts[-1] + part.shape[0])
        return cls.of(
            torch.cat([part.row + start for part, start in zip(parts, starts, strict=False)]),
            torch.cat([part.col for part in parts]),
            torch.cat([part.value for part in parts]),
            shape=(starts[-1], parts[0].shape[1]),
        )

    def total(self) -> Tensor:
        """Sum over genes `(n_cells,)`."""
        return torch.zeros(self.shape[0], dtype=self.value.dtype, device=self.value.device).index_add_(
            0, self.row, self.value
        )

    def dense(self, values: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
        """Lay out one number per value that is not zero as `(n_cells, n_genes)`."""
        out = torch.zeros(self.shape, dtype=dtype, device=values.device)
        out.view(-1)[self.at] = values.to(dtype)
        return out


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
