"""One chunk of cells added to the sums, by one thread or several, while the next one is read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ._fixed_point import SQUARE_SCALE, SUM_SCALE, Accumulator, Tally

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

    from perturbridge.values import RowChunk

    from ._frame import Frame, RangeTask

__all__ = ["Adding", "add_chunk", "threads_here"]


def threads_here() -> int:
    """Return the threads this process may use: those of the numerical libraries where that is set (`--threads`), else its processors."""
    said = os.environ.get("NUMBA_NUM_THREADS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    # Those it may run on, where the system says so: a job of a cluster has few of many.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class Adding:
    """A chunk that is being added.

    Parameters
    ----------
    chunk, task
        Whose cells.
    rows
        Those that are summed, sorted by group.
    flags
        What the loop noticed about each row.
    pieces
        The work under way.
    """

    chunk: RowChunk
    task: RangeTask
    rows: NDArray[np.int64]
    flags: NDArray[np.uint8]
    pieces: tuple[Future[None], ...]

    def into(self, total: Accumulator) -> Accumulator:
        """Wait, and return the sums with the count of these cells."""
        from ._kernels import EMPTY, FRACTIONAL

        for piece in self.pieces:
            piece.result()
        span = slice(self.chunk.start, self.chunk.start + self.chunk.n_rows)
        kept = self.rows[self.flags[self.rows] & EMPTY == 0]
        _count(total, self.task.groups[span], self.task.contexts[span], kept=kept)
        first = self.task.start + self.chunk.start
        fractional, empty = (Tally.of(np.flatnonzero(self.flags & flag) + first) for flag in (FRACTIONAL, EMPTY))
        return total.with_range(first, first + self.chunk.n_rows, fractional=fractional, empty=empty)


def add_chunk(
    total: Accumulator, chunk: RowChunk, task: RangeTask, /, *, frame: Frame, pool: Executor, threads: int
) -> Adding:
    """Begin to add a chunk in place.

    Parameters
    ----------
    total
        Sums that nothing else adds to before this has ended.
    chunk, task, frame
        Which cells, and where their sums go.
    pool, threads
        Who adds; rows of one group go to one thread, so that no two write the same sums.
    """
    # The compiler costs a third of a second to load, so it is loaded by the first chunk and not by the import of this room.
    from ._kernels import add_rows

    groups = task.groups[chunk.start : chunk.start + chunk.n_rows]
    rows = np.flatnonzero(groups >= 0)
    rows = rows[np.argsort(groups[rows], kind="stable")]
    flags = np.zeros(chunk.n_rows, dtype=np.uint8)
    pieces = [
        pool.submit(
            add_rows,
            rows[low:high],
            groups,
            chunk.indptr,
            chunk.indices,
            chunk.data,
            frame.target_sum,
            frame.genes[0],
            task.source.shape[1],
            (SUM_SCALE, SQUARE_SCALE),
            total.sums,
            total.squares,
            total.detected,
            flags,
        )
        for low, high in _pieces(groups[rows], threads)
    ]
    return Adding(chunk, task, rows, flags, tuple(pieces))


def _pieces(groups: NDArray[np.int32], n: int) -> list[tuple[int, int]]:
    """Cut sorted rows into `n` runs of similar length, never inside a group."""
    cuts = [int(np.searchsorted(groups, groups[len(groups) * i // n])) for i in range(1, n)] if len(groups) else []
    edges = [0, *cuts, len(groups)]
    return [(low, high) for low, high in pairwise(edges) if low < high]


def _count(
    total: Accumulator, groups: NDArray[np.int32], contexts: NDArray[np.int32], *, kept: NDArray[np.int64]
) -> None:
    n_rows = len(total.n_perturbed)
    compared = kept[groups[kept] < n_rows]
    control = kept[groups[kept] >= n_rows]
    np.add.at(total.n_perturbed, (groups[compared], contexts[compared]), 1)
    np.add.at(total.n_control, groups[control] - n_rows, 1)
