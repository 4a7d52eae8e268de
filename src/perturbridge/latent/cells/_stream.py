"""Cells of a screen on disk, a group of blocks at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._batch import SparseRows
from ._memory import load_rows

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from perturbridge.values import CountSource

    from ._memory import MemoryReader
    from ._order import Plan
    from ._table import GeneMap

__all__ = ["StreamReader"]

GROUPS_KEPT = 2


class StreamReader:
    """Reads the groups that a batch needs and keeps the last two; memory does not grow with the screen.

    Parameters
    ----------
    source
        Reads rows.
    rows
        Rows that will be asked for, ascending.
    genes
        Which genes.
    device
        Where values go.
    """

    def __init__(self, source: CountSource, rows: NDArray[np.int64], *, genes: GeneMap, device: torch.device) -> None:
        self._source, self._rows, self._genes, self._device = source, rows, genes, device
        self._plan: Plan | None = None
        self._groups: dict[int, MemoryReader] = {}

    def follow(self, plan: Plan) -> None:
        """Prepare for an epoch; what was read for another is dropped."""
        if self._plan is None or not self._plan.is_same(plan):
            self._plan, self._groups = plan, {}

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Return these cells, in this order: the cells of one group together, as the plan has them."""
        if self._plan is None:
            message = "follow a plan before taking rows"
            raise RuntimeError(message)
        group = self._plan.group_of(rows)
        cuts = np.flatnonzero(np.diff(group)) + 1
        parts = [self._group(int(group[part[0]])).take(rows[part]) for part in np.split(np.arange(len(rows)), cuts)]
        return parts[0] if len(parts) == 1 else SparseRows.stack(parts)

    def _group(self, number: int) -> MemoryReader:
        if number not in self._groups:
            while len(self._groups) >= GROUPS_KEPT:
                del self._groups[next(iter(self._groups))]
            rows = self._rows if self._plan is None else self._plan.members(self._rows, number)
            self._groups[number] = load_rows(self._source, rows, genes=self._genes, device=self._device)
        return self._groups[number]
