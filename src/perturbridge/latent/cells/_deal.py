"""Which process sees which cells, and how many of them at each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError

from ._order import Batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._order import Blocks

__all__ = ["Deal"]

# Batch norm has no variance of one cell.
FEWEST_CELLS = 2


@dataclass(frozen=True, eq=False)
class Deal:
    """The training cells in as many shares as there are processes: each a stretch of rows, each spread evenly over the steps of an epoch.

    Of n cells in a share, step s of S takes those from ⌊n s / S⌋ to ⌊n (s + 1) / S⌋ of the share's own order: every cell once, steps of a share
    differ by one cell at most. One share alone is cut as `Batches` says.

    Parameters
    ----------
    bounds
        Where shares begin and end among the rows `(n_shares + 1,)`.
    batches
        How many steps there are.
    """

    bounds: NDArray[np.int64]
    batches: Batches

    @classmethod
    def of(cls, rows: NDArray[np.int64], *, batch_size: int, n_shares: int, blocks: Blocks | None = None) -> Deal:
        """Deal ascending rows: equal stretches in memory, whole blocks on disk.

        Raises
        ------
        FitError
            If there are too few cells, or blocks, for so many processes.
        """
        bounds = np.array([len(rows) * i // n_shares for i in range(n_shares + 1)], dtype=np.int64)
        if blocks is not None and n_shares > 1:
            bounds[1:-1] = _nearest_block(rows, bounds[1:-1], block_rows=blocks.rows)
        deal = cls(bounds, Batches(len(rows), batch_size))
        fewest = int(np.diff(bounds).min()) // deal.batches.n_steps
        if n_shares > 1 and fewest < FEWEST_CELLS:
            problem = f"{len(rows)} cells in {deal.batches.n_steps} steps of about {batch_size} leave one of {n_shares} processes {fewest} of them a step."
            smaller = "" if blocks is None else ", a smaller block_rows"
            raise FitError(problem, cure=f"Start fewer processes, or set a larger batch_size{smaller}.")
        return deal

    @property
    def n_shares(self) -> int:
        """Shares."""
        return len(self.bounds) - 1

    def own(self, share: int) -> slice:
        """Rows of a share, as positions among all."""
        return slice(int(self.bounds[share]), int(self.bounds[share + 1]))

    def cut(self, share: int, step: int) -> tuple[int, int]:
        """First and last position (excluded) of a step in the order of a share."""
        if self.n_shares == 1:
            return self.batches.span(step)
        n, n_steps = int(self.bounds[share + 1] - self.bounds[share]), self.batches.n_steps
        return n * step // n_steps, n * (step + 1) // n_steps

    def place(self, share: int, step: int) -> tuple[int, int, int]:
        """First and last position (excluded) of a share among all cells of a step, and how many those are."""
        sizes = [high - low for low, high in (self.cut(i, step) for i in range(self.n_shares))]
        first = sum(sizes[:share])
        return first, first + sizes[share], sum(sizes)


def _nearest_block(rows: NDArray[np.int64], cuts: NDArray[np.int64], *, block_rows: int) -> NDArray[np.int64]:
    """Move cuts among the rows to where a block begins, the nearer of the two; a cut never passes another."""
    block = rows // block_rows
    low = np.searchsorted(block, block[cuts], side="left")
    high = np.searchsorted(block, block[cuts], side="right")
    return np.maximum.accumulate(np.where(cuts - low <= high - cuts, low, high))
