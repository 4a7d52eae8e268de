"""All cells of a screen summed, here or by workers, one block of genes after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perturbridge.workers import row_ranges

from ._accumulate import sum_range
from ._add import threads_here
from ._fixed_point import merge
from ._frame import range_task, stored_values
from ._plan import BYTES_PER_SUM
from ._scratch import ScratchSums

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from perturbridge.values import Screen
    from perturbridge.workers import Workers

    from ._fixed_point import Accumulator
    from ._frame import Frame, RangeTask
    from ._grouping import Grouping
    from ._kept import Kept, KeptFile
    from ._plan import SumPlan

__all__ = ["sum_screen"]

# More ranges than workers even out their speed, and less is lost with one of them; but each range has sums of its own to clear, to send
# and to merge, which must not take longer than to read its cells.
RANGES_PER_WORKER = 4
BYTES_READ_PER_BYTE_OF_SUMS = 8
BYTES_PER_STORED_VALUE = 8


def sum_screen(
    screen: Screen,
    grouping: Grouping,
    frame: Frame,
    /,
    *,
    plan: SumPlan,
    workers: Workers,
    kept: Kept | None = None,
    scratch: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Accumulator:
    """Sum every cell once for each block of genes.

    Parameters
    ----------
    screen, grouping, frame
        What is summed.
    plan
        Blocks of genes and size of chunks.
    workers
        Who does it.
    kept
        Where sums are kept meanwhile, and those of an earlier start are found.
    scratch
        Folder for sums that do not fit into memory together.
    progress
        Called with cells read and cells to read in all, over all blocks.
    """
    frame = replace(frame, chunk_values=plan.chunk_values)
    if len(plan.blocks) == 1:
        return _sum_block(screen, grouping, frame, workers=workers, kept=kept, progress=progress)
    together = ScratchSums(frame, scratch)
    n = screen.n_cells
    for i, (low, high) in enumerate(plan.blocks):
        told = None if progress is None else _after(progress, i * n, len(plan.blocks) * n)
        block = _sum_block(screen, grouping, frame.block(low, high), workers=workers, kept=kept, progress=told)
        together.put(low, high, block=block)
        del block
    return together.total()


def _after(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    return lambda done, _: progress(before + done, total)


def _sum_block(
    screen: Screen,
    grouping: Grouping,
    frame: Frame,
    /,
    *,
    workers: Workers,
    kept: Kept | None,
    progress: Callable[[int, int], None] | None,
) -> Accumulator:
    before, keep = (None, None) if kept is None else kept.load(frame)
    gaps = _gaps(() if before is None else before.spans, screen.n_cells)
    if workers.here:
        total = before
        for start, stop in gaps:
            task = range_task(screen, grouping, start=start, stop=stop)
            told = None if progress is None else _after(progress, start, screen.n_cells)
            total = sum_range(task, frame, into=total, keep=keep, threads=threads_here(), progress=told)
    else:
        total = _on_workers(screen, grouping, frame, gaps=gaps, workers=workers, keep=keep, progress=progress)
        total = before if total is None else total if before is None else merge(before, total)
    if total is None:
        # A screen without cells.
        return sum_range(range_task(screen, grouping, start=0, stop=0), frame)
    return total


def _gaps(spans: tuple[tuple[int, int], ...], n_cells: int) -> list[tuple[int, int]]:
    """Ranges of cells that no span covers."""
    edges = [0, *(edge for span in spans for edge in span), n_cells]
    return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high]


def _on_workers(
    screen: Screen,
    grouping: Grouping,
    frame: Frame,
    /,
    *,
    gaps: list[tuple[int, int]],
    workers: Workers,
    keep: KeptFile | None,
    progress: Callable[[int, int], None] | None,
) -> Accumulator | None:
    left = sum(stop - start for start, stop in gaps)
    wanted = _n_ranges(screen, frame, workers.n)
    ranges = [
        part
        for start, stop in gaps
        for part in row_ranges(stop - start, max(round(wanted * (stop - start) / left), 1), start=start)
    ]
    if not ranges:
        return None
    tasks = [range_task(screen, grouping, start=start, stop=stop, travels=True) for start, stop in ranges]
    before = screen.n_cells - left
    told = None if progress is None else lambda done, n: progress(before + left * done // n, screen.n_cells)
    return workers.fold(_sum, tasks, merge=merge, shared=frame, keep=keep, progress=told)


def _n_ranges(screen: Screen, frame: Frame, n_workers: int) -> int:
    read = BYTES_PER_STORED_VALUE * stored_values(screen)
    sums = BYTES_PER_SUM * frame.n_groups * frame.n_genes
    worth = read // (BYTES_READ_PER_BYTE_OF_SUMS * max(sums, 1))
    return int(min(max(worth, n_workers), RANGES_PER_WORKER * n_workers))


def _sum(task: RangeTask, frame: Frame) -> Accumulator:
    return sum_range(task, frame)
