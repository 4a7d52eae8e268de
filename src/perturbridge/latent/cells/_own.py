"""The training cells that belong to this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._deal import Deal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ._dataset import Dataset
    from ._order import Blocks

__all__ = ["Cut", "OwnCells", "Share"]


@dataclass(frozen=True, eq=False)
class Share:
    """A part of the training cells.

    Parameters
    ----------
    number
        Which share.
    rows
        Its rows in the screen, ascending.
    data
        Reads them, and holds no others.
    """

    number: int
    rows: NDArray[np.int64]
    data: Dataset


@dataclass(frozen=True, eq=False)
class Cut:
    """What a step takes from a share.

    Parameters
    ----------
    data, rows
        Cells.
    span
        First and last position (excluded) among the cells of the step over all shares.
    n_all
        How many those are.
    """

    data: Dataset
    rows: NDArray[np.int64]
    span: tuple[int, int]
    n_all: int

    @property
    def weight(self) -> float:
        """Its part of the cells of the step."""
        return len(self.rows) / self.n_all


class OwnCells:
    """Deals the training cells to shares and opens those of this process alone.

    There are as many shares as processes. Where a run goes on with another number of processes, the epoch under way is finished in the shares
    in which it began: a process then has several of them, or none.

    Parameters
    ----------
    rows
        All training rows, ascending.
    n_cells
        Cells of the screen.
    batch_size
        Cells of a step over all shares.
    blocks
        How cells lie on disk; None: they are held in memory.
    stretch
        First and last (excluded) of n things that are this process's own.
    read
        Opens rows.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        *,
        n_cells: int,
        batch_size: int,
        blocks: Blocks | None,
        stretch: Callable[[int], tuple[int, int]],
        read: Callable[[NDArray[np.int64]], Dataset],
    ) -> None:
        self.rows, self.n_cells, self.blocks = rows, n_cells, blocks
        self._batch_size, self._stretch, self._read = batch_size, stretch, read
        self._deal: Deal | None = None
        self._shares: list[Share] = []

    def shares(self, n_shares: int) -> list[Share]:
        """Open the own ones of so many shares; what was held for another number is let go first."""
        if self._deal is None or self._deal.n_shares != n_shares:
            self._shares = []
            self._deal = Deal.of(
                self.rows,
                n_cells=self.n_cells,
                batch_size=self._batch_size,
                n_shares=n_shares,
                blocks=self.blocks,
            )
            own = [(i, self._deal.members[i]) for i in range(*self._stretch(n_shares))]
            self._shares = [Share(i, rows, self._read(rows)) for i, rows in own]
        return self._shares

    def steps(self, n_shares: int, *, seed: int, epoch: int, done: int) -> Iterator[list[Cut]]:
        """What each step that is left in an epoch takes from each share of this process."""
        shares = self.shares(n_shares)
        deal = self._deal
        if deal is None:
            return
        orders = [s.data.order(s.rows, seed=seed, epoch=epoch, share=(s.number, n_shares)) for s in shares]
        for step in range(done, deal.batches.n_steps):
            cuts = []
            for share, order in zip(shares, orders, strict=True):
                first, last, n_all = deal.place(share.number, step)
                cuts.append(Cut(share.data, order[slice(*deal.cut(share.number, step))], (first, last), n_all))
            yield cuts
