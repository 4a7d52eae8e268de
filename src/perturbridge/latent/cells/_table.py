"""Rows of a compressed sparse matrix in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ._batch import SparseRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray
    from torch import Tensor

    from perturbridge.values import RowChunk

    Selected: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]

__all__ = ["TABLE_ROWS", "GeneMap", "RowTable"]

# Counts up to this one are looked up.
TABLE_ROWS = 16
# Of whole counts below this one ln x! is looked up too when cells are read.
LOOKED_UP = 4096


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

    def select(self, chunk: RowChunk) -> Selected:
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
    parts
        Rows, a stretch at a time: start of each row, genes and values, as `GeneMap.select` gives them.
    n_genes
        Genes of the model.
    device
        Where everything lies but the starts, which the host needs to know how much there is to take.
    """

    def __init__(self, parts: Sequence[Selected], *, n_genes: int, device: torch.device) -> None:
        lengths = np.concatenate([np.diff(part[0]) for part in parts])
        self.indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.n_genes, self.device = n_genes, device
        self._columns = torch.from_numpy(np.concatenate([part[1] for part in parts])).to(device)
        self._values = torch.from_numpy(np.concatenate([part[2] for part in parts])).to(device)
        sums = [_sums(*part) for part in parts]
        self._total = torch.cat([total for total, _, _ in sums]).to(device)
        self._log_factorial = torch.cat([log for _, log, _ in sums]).to(device)
        self._is_whole = all(whole for _, _, whole in sums)

    @property
    def n_rows(self) -> int:
        """Rows in the table."""
        return len(self.indptr) - 1

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Return some rows, in this order."""
        starts = self.indptr[rows]
        ends = np.cumsum(self.indptr[rows + 1] - starts)
        offsets_ = np.concatenate([[0], ends])
        shift = torch.from_numpy(starts - offsets_[:-1]).to(self.device)
        offsets = torch.from_numpy(offsets_).to(self.device)
        which = torch.from_numpy(rows).to(self.device)
        n_values = int(ends[-1])
        row = torch.repeat_interleave(torch.arange(len(rows), device=self.device), offsets.diff(), output_size=n_values)
        place = shift.index_select(0, row) + torch.arange(n_values, device=self.device)
        col = self._columns.index_select(0, place)
        value = self._values.index_select(0, place)
        # Asking a GPU for its largest value would make the host wait, and no table is used there.
        plain = self._is_whole and self.device.type == "cpu" and n_values > 0 and float(value.amax()) <= TABLE_ROWS
        return SparseRows(
            shape=(len(rows), self.n_genes),
            row=row,
            col=col,
            value=value,
            at=torch.add(col, row, alpha=self.n_genes),
            offsets=offsets,
            total=self._total.index_select(0, which),
            log_factorial=self._log_factorial.index_select(0, which),
            is_plain=plain,
        )


def _sums(indptr: NDArray[np.int64], _: NDArray[np.int32], values: NDArray[np.float32]) -> tuple[Tensor, Tensor, bool]:
    """Σ x and Σ ln x! by row, and whether every value is a whole number."""
    offsets, value = torch.from_numpy(indptr), torch.from_numpy(values).double()
    whole = bool((value == value.round()).all())
    if whole and len(value) > LOOKED_UP and float(value.amax()) < LOOKED_UP:
        each = torch.lgamma(torch.arange(1, LOOKED_UP + 1, dtype=torch.float64)).index_select(0, value.int())
    else:
        each = torch.lgamma(value + 1)
    total, log = (torch.segment_reduce(of, "sum", offsets=offsets, initial=0).float() for of in (value, each))
    return total, log, whole
