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

__all__ = ["Deal", "owners"]

# Batch norm has no variance of one cell.
FEWEST_CELLS = 2
# Cells of a file lie by context as a rule, and no process may see a few contexts alone: each has so many ranges all over the file, or more,
# of at most so many rows.
RANGES, LONGEST_RANGE = 32, 8192


@dataclass(frozen=True, eq=False)
class Deal:
    """The training cells in as many shares as there are processes: ranges of rows in turn, each share spread evenly over the steps of an epoch.

    Row r belongs to share ⌊r / range⌋ mod n_shares. Of n cells in a share, step s of S takes those from ⌊n s / S⌋ to ⌊n (s + 1) / S⌋ of the
    share's own order: every cell once, steps of a share differ by one cell at most. One share alone is cut as `Batches` says.

    Parameters
    ----------
    members
        Rows of each share, ascending.
    batches
        How many steps there are.
    """

    members: tuple[NDArray[np.int64], ...]
    batches: Batches

    @classmethod
    def of(
        cls, rows: NDArray[np.int64], *, n_cells: int, batch_size: int, n_shares: int, blocks: Blocks | None = None
    ) -> Deal:
        """Deal ascending rows of a screen of so many cells.

        Raises
        ------
        FitError
            If there are too few cells, or blocks, for so many processes.
        """
        batches = Batches(len(rows), batch_size)
        if n_shares == 1:
            return cls((rows,), batches)
        owner = owners(rows, n_shares, n_cells=n_cells, blocks=blocks)
        members = tuple(np.compress(owner == share, rows) for share in range(n_shares))
        fewest = min(len(own) for own in members) // batches.n_steps
        if fewest < FEWEST_CELLS:
            problem = f"{len(rows)} cells in {batches.n_steps} steps of about {batch_size} leave one of {n_shares} processes {fewest} of them a step."
            smaller = "" if blocks is None else ", or a smaller block_rows"
            raise FitError(problem, cure=f"Start fewer processes, or set a larger batch_size{smaller}.")
        return cls(members, batches)

    @property
    def n_shares(self) -> int:
        """Shares."""
        return len(self.members)

    def cut(self, share: int, step: int) -> tuple[int, int]:
        """First and last position (excluded) of a step in the order of a share."""
        if self.n_shares == 1:
            return self.batches.span(step)
        n, n_steps = len(self.members[share]), self.batches.n_steps
        return n * step // n_steps, n * (step + 1) // n_steps

    def place(self, share: int, step: int) -> tuple[int, int, int]:
        """First and last position (excluded) of a share among all cells of a step, and how many those are."""
        sizes = [high - low for low, high in (self.cut(i, step) for i in range(self.n_shares))]
        first = sum(sizes[:share])
        return first, first + sizes[share], sum(sizes)


def owners(rows: NDArray[np.int64], n_shares: int, *, n_cells: int, blocks: Blocks | None = None) -> NDArray[np.int64]:
    """Return the share of each row; where cells are read from disk as they are needed, a range is a block."""
    length = min(max(n_cells // (RANGES * n_shares), 1), LONGEST_RANGE) if blocks is None else blocks.rows
    return rows // length % n_shares
