"""In which order the cells of an epoch are seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Batches", "Blocks", "Plan", "epoch_order"]

SMALLEST_BATCH = 8


@dataclass(frozen=True)
class Blocks:
    """How rows lie on disk.

    Parameters
    ----------
    rows
        Rows in a block that is read at once.
    together
        Blocks that are in memory together, and whose rows are shuffled among one another.
    """

    rows: int
    together: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Which blocks are in memory together in an epoch.

    Parameters
    ----------
    block_rows
        Rows in a block.
    n_shares
        Every so manieth block belongs to the share that is planned for.
    groups
        Group of each of its blocks `(n_blocks,)`.
    """

    block_rows: int
    n_shares: int
    groups: NDArray[np.int64]

    @classmethod
    def draw(cls, n_cells: int, blocks: Blocks, *, rng: np.random.Generator, n_shares: int = 1) -> Plan:
        """Deal the shuffled blocks of a share to groups."""
        n_blocks = -(-n_cells // (blocks.rows * n_shares))
        groups = np.empty(n_blocks, dtype=np.int64)
        groups[rng.permutation(n_blocks)] = np.arange(n_blocks) // blocks.together
        return cls(blocks.rows, n_shares, groups)

    def group_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Group of each row."""
        found: NDArray[np.int64] = self.groups[rows // (self.block_rows * self.n_shares)]
        return found

    def members(self, rows: NDArray[np.int64], group: int) -> NDArray[np.int64]:
        """Those of the rows that are in a group."""
        return np.compress(self.group_of(rows) == group, rows)

    def is_same(self, other: Plan) -> bool:
        """True if the blocks are dealt alike."""
        same = (self.block_rows, self.n_shares) == (other.block_rows, other.n_shares)
        return same and np.array_equal(self.groups, other.groups)


def epoch_order(
    rows: NDArray[np.int64], *, seed: int, epoch: int, blocks: Blocks | None = None, share: tuple[int, int] = (0, 1)
) -> tuple[NDArray[np.int64], Plan | None]:
    """Shuffle the rows of a share, by its number and how many there are; the order depends on `(seed, epoch, share)` and on nothing else.

    Without `blocks` every order is equally likely. With them, whole blocks are dealt to groups and rows shuffled within a group, so
    that a reader needs one group at a time; the plan says which.
    """
    rng = np.random.default_rng((seed, epoch, 0) if share[1] == 1 else (seed, epoch, 0, *share))
    if blocks is None:
        return rng.permutation(rows), None
    plan = Plan.draw(int(rows.max()) + 1, blocks, rng=rng, n_shares=share[1])
    shuffled = rng.permutation(rows)
    return shuffled[np.argsort(plan.group_of(shuffled), kind="stable")], plan


@dataclass(frozen=True)
class Batches:
    """How an epoch of `n_rows` cells is cut into steps; a last batch under 8 cells joins the one before it.

    Parameters
    ----------
    n_rows
        Cells in an epoch.
    size
        Cells in a batch.
    """

    n_rows: int
    size: int

    @property
    def n_steps(self) -> int:
        """Steps in an epoch, at least one."""
        whole, rest = divmod(self.n_rows, self.size)
        return max(whole + (rest >= min(SMALLEST_BATCH, self.size)), 1)

    def span(self, step: int) -> tuple[int, int]:
        """First and last position (excluded) of a step of the epoch."""
        return step * self.size, self.n_rows if step == self.n_steps - 1 else (step + 1) * self.size
