"""Cells of a screen with the codes a step needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch

from ._batch import Batch, SparseRows
from ._order import Blocks, Plan, epoch_order

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Codes", "Dataset", "Reader"]


class Reader(Protocol):
    """Takes cells by their row in the screen."""

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Return the values of these cells, in this order."""


@runtime_checkable
class PlannedReader(Protocol):
    """A reader that has to know which cells are needed together."""

    def follow(self, plan: Plan) -> None:
        """Prepare for an epoch."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Codes:
    """Codes of every cell of a screen, `(n_cells,)` each, int64.

    Parameters
    ----------
    context, stratum, label
        See `Batch`.
    condition
        Row of `condition_table` for each cell.
    condition_table
        What is injected `(n_conditions, n_condition)`, float32, or None.
    """

    context: NDArray[np.int64]
    stratum: NDArray[np.int64]
    label: NDArray[np.int64]
    condition: NDArray[np.int64]
    condition_table: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """A reader and the codes of its cells.

    Parameters
    ----------
    reader
        Takes the values.
    codes
        Codes of every cell.
    device
        Where batches lie.
    blocks
        How cells lie on disk; None: they are in memory.
    """

    reader: Reader
    codes: Codes
    device: torch.device
    blocks: Blocks | None = None

    def order(
        self, rows: NDArray[np.int64], *, seed: int, epoch: int, share: tuple[int, int] = (0, 1)
    ) -> NDArray[np.int64]:
        """Return the order in which an epoch sees these rows, a share of all."""
        order, plan = epoch_order(rows, seed=seed, epoch=epoch, blocks=self.blocks, share=share)
        if plan is not None and isinstance(self.reader, PlannedReader):
            self.reader.follow(plan)
        return order

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """Return these cells as one batch."""
        table = self.codes.condition_table
        return Batch(
            counts=self.reader.take(rows),
            context=self._on_device(self.codes.context[rows]),
            stratum=self._on_device(self.codes.stratum[rows]),
            label=self._on_device(self.codes.label[rows]),
            condition=None if table is None else self._on_device(table[self.codes.condition[rows]]),
        )

    def _on_device(self, array: NDArray[np.int64] | NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
