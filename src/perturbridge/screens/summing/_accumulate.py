"""One pass over row chunks of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

from ._fixed_point import SQUARE_SCALE, SUM_SCALE, Accumulator, Tally, largest_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from perturbridge.values import CountSource, RowChunk, Screen

    from ._grouping import Grouping

__all__ = ["accumulate", "cell_name"]

VALUES_PER_CHUNK = 16_000_000
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
        Cells per chunk; default: about 16 million stored values. The result is the same for every choice.
    progress
        Called with cells read and cells in all after each chunk.

    Raises
    ------
    DataError
        If a value is broken, or too large for the sums.
    """
    stop = screen.n_cells if stop is None else stop
    limit = largest_value(screen, grouping)
    total = Accumulator.zeros(grouping, screen.n_genes)
    fractional, empty = Tally(), Tally()
    for low, high in _chunks(screen.source, start, stop, chunk_rows=chunk_rows):
        chunk = screen.source.read_rows(low, high)
        if screen.normalization.kind == "log1p":
            _check_size(screen, chunk, limit)
        broken, void = _add(total, chunk, grouping, target_sum=_target_sum(screen))
        fractional, empty = fractional + broken, empty + void
        if progress is not None:
            progress(high - start, stop - start)
    return Accumulator(
        sums=total.sums,
        squares=total.squares,
        detected=total.detected,
        n_perturbed=total.n_perturbed,
        n_control=total.n_control,
        spans=((start, stop),),
        fractional=fractional,
        empty=empty,
    )


def cell_name(screen: Screen, cell: int) -> str:
    """Return the name of a cell where its source knows it, else its position."""
    locate = getattr(screen.source, "locate", None)
    return str(locate(cell)) if callable(locate) else f"cell {cell}"


def _target_sum(screen: Screen) -> float:
    """The kernel takes 0 for values that are log1p already."""
    return screen.normalization.target_sum if screen.normalization.kind == "counts" else 0.0


def _chunks(source: CountSource, start: int, stop: int, /, *, chunk_rows: int | None) -> Iterator[tuple[int, int]]:
    if chunk_rows is not None and chunk_rows < 1:
        problem = f"chunk_rows is {chunk_rows}."
        raise DataError(problem, cure="Read at least one cell at a time.")
    ends = source.row_ends() if chunk_rows is None else None
    n_genes = max(source.shape[1], 1)
    step = chunk_rows or min(ROWS_PER_CHUNK, max(VALUES_PER_CHUNK // n_genes, 1))
    while start < stop:
        if ends is None:
            high = start + step
        else:
            read = int(ends[start - 1]) if start else 0
            fits = int(np.searchsorted(ends, read + VALUES_PER_CHUNK, side="right"))
            high = max(min(fits, start + ROWS_PER_CHUNK), start + 1)
        high = min(high, stop)
        yield start, high
        start = high


def _add(total: Accumulator, chunk: RowChunk, grouping: Grouping, *, target_sum: float) -> tuple[Tally, Tally]:
    """Add a chunk in place; return the cells with fractional counts and those without any."""
    # The compiler costs a third of a second to load, so it is loaded by the first chunk and not by the import of this room.
    from ._kernels import EMPTY, FRACTIONAL, add_rows

    span = slice(chunk.start, chunk.start + chunk.n_rows)
    groups = grouping.groups[span]
    rows = np.flatnonzero(groups >= 0)
    rows = rows[np.argsort(groups[rows], kind="stable")]
    flags = np.zeros(chunk.n_rows, dtype=np.uint8)
    add_rows(
        rows,
        groups,
        chunk.indptr,
        chunk.indices,
        chunk.data,
        target_sum,
        (SUM_SCALE, SQUARE_SCALE),
        total.sums,
        total.squares,
        total.detected,
        flags,
    )
    _count(total, groups, grouping.context_codes[span], kept=rows[flags[rows] & EMPTY == 0])
    fractional, empty = (np.flatnonzero(flags & flag) + chunk.start for flag in (FRACTIONAL, EMPTY))
    return Tally.of(fractional), Tally.of(empty)


def _count(
    total: Accumulator, groups: NDArray[np.int32], contexts: NDArray[np.int32], *, kept: NDArray[np.int64]
) -> None:
    n_rows = len(total.n_perturbed)
    compared = kept[groups[kept] < n_rows]
    control = kept[groups[kept] >= n_rows]
    np.add.at(total.n_perturbed, (groups[compared], contexts[compared]), 1)
    np.add.at(total.n_control, groups[control] - n_rows, 1)


def _check_size(screen: Screen, chunk: RowChunk, limit: float) -> None:
    largest = np.abs(chunk.data).max(initial=0.0)
    if largest < limit:
        return
    at = int(np.argmax(np.abs(chunk.data)))
    cell = chunk.start + int(np.searchsorted(chunk.indptr, at, side="right")) - 1
    gene = screen.genes[int(chunk.indices[at])]
    problem = f"The value {chunk.data[at]:g} ({cell_name(screen, cell)}, gene {gene!r}) is larger than {limit:.3g}, the most that sums over this many cells hold."
    raise DataError(
        problem,
        cure="log1p values lie below 15 or so: name the place that holds them, or say that these are counts (x_is='counts').",
    )
