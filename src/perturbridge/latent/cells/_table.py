"""Rows of a compressed sparse matrix in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ._batch import SparseRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import RowChunk

__all__ = ["GeneMap", "RowTable"]


@dataclass(frozen=True, eq=False)
class GeneMap:
    """Where the genes of a source lie among those of a model.

    Parameters
    ----------
    places
        Gene of the model for each gene of the source `(n_source_genes,)`, -1 where the model has none; None where both are the same.
    n_genes
        Genes of the model.
    """

    places: NDArray[np.int64] | None
    n_genes: int

    def select(self, chunk: RowChunk) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Return `indptr`, genes of the model and values of a chunk, without genes the model does not have and without stored zeros."""
        columns = np.asarray(chunk.indices) if self.places is None else self.places[chunk.indices]
        data = np.asarray(chunk.data, dtype=np.float32)
        indptr = np.asarray(chunk.indptr, dtype=np.int64)
        keep = (columns >= 0) & (data != 0)
        if not keep.all():
            indptr = np.concatenate([[0], np.cumsum(keep)])[indptr]
            columns, data = columns[keep], data[keep]
        return indptr, columns.astype(np.int32), data


class RowTable:
    """Compressed sparse rows on a device, from which any rows can be taken.

    Parameters
    ----------
    indptr
        Start of each row, kept on the host `(n_rows + 1,)`.
    columns, values
        Genes and values `(n_values,)`.
    n_genes
        Genes of the model.
    device
        Where genes and values lie.
    """

    def __init__(
        self, indptr: NDArray[np.int64], columns: NDArray[Any], values: NDArray[Any], *, n_genes: int, device: str
    ) -> None:
        self.indptr = indptr
        self.n_genes = n_genes
        self.device = torch.device(device)
        self._columns = torch.from_numpy(np.ascontiguousarray(columns, dtype=np.int32)).to(self.device)
        self._values = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(self.device)

    @property
    def n_rows(self) -> int:
        """Rows in the table."""
        return len(self.indptr) - 1

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Return some rows, in this order."""
        starts = self.indptr[rows]
        lengths = self.indptr[rows + 1] - starts
        ends = np.cumsum(lengths)
        n_values = int(ends[-1]) if len(ends) else 0
        row = np.repeat(np.arange(len(rows)), lengths)
        place = np.arange(n_values) + np.repeat(starts - (ends - lengths), lengths)
        if self.device.type == "cpu":
            at, row_ = torch.from_numpy(place), torch.from_numpy(row)
        else:
            at, row_ = torch.from_numpy(place).to(self.device), torch.from_numpy(row).to(self.device)
        return SparseRows.of(row_, self._columns[at].long(), self._values[at], shape=(len(rows), self.n_genes))
