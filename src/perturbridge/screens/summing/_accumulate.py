"""One pass over row chunks of a range of cells."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.workers import Pace

from ._add import add_chunk
from ._fixed_point import Accumulator
from ._frame import frame_of, range_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perturbridge.values import CountSource, RowChunk, Screen

    from ._frame import Frame, RangeTask
    from ._grouping import Grouping

__all__ = ["accumulate", "cell_name", "sum_range"]

ROWS_PER_CHUNK = 65_536


def accumulate(
    screen: Screen,
    grouping: Grouping,
    *,
    start: int = 0,
    stop: int | None = None,
    chunk_rows: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Accumulator:
    """Sum the cells `start` to `stop` of a screen by group; memory is that of the sums plus one chunk.

    Parameters
    ----------
    screen
        What to read.
    grouping
        Which sum each cell goes into.
    start, stop
        Range of cells, `stop` excluded; default: all.
    chunk_rows
        Most cells in a chunk; default: see `Frame`. The result is the same for every choice.
    progress
        Called with cells read and cells in all after each chunk.

    Raises
    ------
    DataError
        If a value is broken, or too large for the sums.
    """
    task = range_task(screen, grouping, start=start, stop=screen.n_cells if stop is None else stop)
    return sum_range(task, frame_of(screen, grouping, chunk_rows=chunk_rows), progress=progress)


def sum_range(
    task: RangeTask,
    frame: Frame,
    *,
    into: Accumulator | None = None,
    keep: Callable[[Accumulator], None] | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Accumulator:
    """Sum the cells of a task.

    Parameters
    ----------
    task, frame
        Which cells, and what they are summed into.
    into
        Sums of other cells, which are added to in place and must not be used afterwards.
    keep
        Called now and then with the sums so far, see `Workers.fold`.
    threads
        That add, beside the one that reads.
    progress
        Called with cells read and cells in all after each chunk.

    Raises
    ------
    DataError
        As `accumulate`.
    """
    total = Accumulator.zeros(frame) if into is None else into
    pace, pending = Pace(), None
    expect = getattr(task.source, "expect", lambda *_: None)
    with ThreadPoolExecutor(threads) as pool:
        for low, high in _chunks(task.source, frame):
            # Read while the chunk before is still being added.
            chunk = task.source.read_rows(low, high)
            # As many cells again, which the disk can fetch while these are checked and added.
            expect(high, 2 * high - low)
            if frame.target_sum == 0.0:
                _check_size(task.source, chunk, frame)
            if pending is not None:
                total = pending.into(total)
                _tell(low, task, progress)
                pace.offer(total, keep)
            pending = add_chunk(total, chunk, task, frame=frame, pool=pool, threads=threads)
        if pending is not None:
            total = pending.into(total)
            _tell(task.stop - task.start, task, progress)
    return total


def _tell(done: int, task: RangeTask, progress: Callable[[int, int], None] | None) -> None:
    if progress is not None:
        progress(done, task.stop - task.start)


def cell_name(source: CountSource, cell: int) -> str:
    """Return the name of a cell where its source knows it, else its position."""
    locate = getattr(source, "locate", None)
    return str(locate(cell)) if callable(locate) else f"cell {cell}"


def _chunks(source: CountSource, frame: Frame) -> Iterator[tuple[int, int]]:
    if frame.chunk_rows is not None and frame.chunk_rows < 1:
        problem = f"chunk_rows is {frame.chunk_rows}."
        raise DataError(problem, cure="Read at least one cell at a time.")
    n_cells, n_genes = source.shape
    ends = source.row_ends()
    start = 0
    while start < n_cells:
        if ends is None:
            fits = start + frame.chunk_values // max(n_genes, 1)
        else:
            read = int(ends[start - 1]) if start else 0
            fits = int(np.searchsorted(ends, read + frame.chunk_values, side="right"))
        high = min(max(min(fits, start + (frame.chunk_rows or ROWS_PER_CHUNK)), start + 1), n_cells)
        yield start, high
        start = high


def _check_size(source: CountSource, chunk: RowChunk, frame: Frame) -> None:
    largest = np.abs(chunk.data).max(initial=0.0)
    if largest < frame.limit:
        return
    at = int(np.argmax(np.abs(chunk.data)))
    cell = chunk.start + int(np.searchsorted(chunk.indptr, at, side="right")) - 1
    gene = frame.gene_names[int(chunk.indices[at])]
    problem = f"The value {chunk.data[at]:g} ({cell_name(source, cell)}, gene {gene!r}) is larger than {frame.limit:.3g}, the most that sums over this many cells hold."
    raise DataError(
        problem,
        cure="log1p values lie below 15 or so: name the place that holds them, or say that these are counts (x_is='counts').",
    )
