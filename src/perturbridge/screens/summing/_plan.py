"""How a screen is summed in the memory there is: how many genes at a time, how many values at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge.errors import DataError
from perturbridge.workers import Forecast, as_bytes, resident, show_bytes

from ._finish import ROWS_PER_BLOCK
from ._frame import stored_values

if TYPE_CHECKING:
    from perturbridge.values import Screen

    from ._frame import Frame

__all__ = ["SumPlan", "plan_sums"]

# Sum, sum of squares and detection count of one gene in one group.
BYTES_PER_SUM = 8 + 8 + 4
# Detection counts of the result are wider.
BYTES_PER_RESULT = 8
BYTES_ON_DISK = 3 * 8
# Value, index and what the checks of both make of them, and the chunk before, which is being added.
BYTES_PER_VALUE = 16 + 8
FEWEST_VALUES = 500_000
# The compiler and the machine code, where they are not loaded yet; a fresh worker.
COMPILER = 110 * 10**6
WORKER = 300 * 10**6
# Two sums that are merged, and what comes of it.
SUMS_IN_A_MERGE = 3
TABLES_PER_CONTEXT = 4
BYTES_PER_GENE_AT_THE_END = ROWS_PER_BLOCK * 8 * 5
MOST_PASSES = 100


@dataclass(frozen=True, kw_only=True)
class SumPlan:
    """Which genes are summed together, and how much is read at a time.

    Parameters
    ----------
    blocks
        Ranges of genes, one pass over the cells for each.
    chunk_values
        Stored values in a chunk.
    scratch_bytes
        Room on disk for sums that do not fit into memory together, 0 where all do.
    forecast
        Memory, in bytes and in words.
    """

    blocks: tuple[tuple[int, int], ...]
    chunk_values: int
    scratch_bytes: int
    forecast: Forecast


def plan_sums(screen: Screen, frame: Frame, *, memory: str | int | None = None, here: bool = True) -> SumPlan:
    """Choose gene blocks and chunk size so that each process stays within a budget.

    Parameters
    ----------
    screen, frame
        What is summed.
    memory
        Budget of this process and of each worker; None: all genes in one pass, whatever it takes.
    here
        Whether this process sums; workers do otherwise.

    Raises
    ------
    DataError
        If a hundred passes would not be enough.
    """
    size = _Sizes(screen, frame, here=here)
    if memory is None:
        return _whole(size, None, values=frame.chunk_values)
    budget = as_bytes(memory)
    least = BYTES_PER_VALUE * FEWEST_VALUES
    room = budget - size.program
    of_worker = budget - WORKER
    for_cells = room - size.sums
    if not here:
        for_cells = min(for_cells, of_worker - SUMS_IN_A_MERGE * size.sums)
    if for_cells >= least and room >= size.sums + size.result + size.ending:
        return _whole(size, budget, values=min(for_cells // BYTES_PER_VALUE, frame.chunk_values))
    per_gene = BYTES_PER_SUM * frame.n_groups
    width = (room - max(least, size.ending)) // per_gene
    if not here:
        width = min(width, (of_worker - least) // (SUMS_IN_A_MERGE * per_gene))
    if width < max(frame.n_genes // MOST_PASSES, 1):
        raise _too_little(size, budget)
    return _in_blocks(size, budget, width=int(width))


class _Sizes:
    """Bytes of each part for all genes at once."""

    def __init__(self, screen: Screen, frame: Frame, *, here: bool) -> None:
        self.frame = frame
        self.result = BYTES_PER_RESULT * frame.n_rows * frame.n_genes
        self.ending = (8 * TABLES_PER_CONTEXT * frame.n_contexts + BYTES_PER_GENE_AT_THE_END) * frame.n_genes
        self.program = resident() + (COMPILER if here else 0)
        self.sums = BYTES_PER_SUM * frame.n_groups * frame.n_genes
        n_cells = max(screen.n_cells, 1)
        rows = n_cells if frame.chunk_rows is None else min(frame.chunk_rows, n_cells)
        # What a chunk of that many cells holds, where they are alike.
        self.values = int(stored_values(screen) / n_cells * rows) + 1

    def forecast(
        self, n_genes: int, *, values: int, result: int, budget: int | None, notes: tuple[str, ...] = ()
    ) -> Forecast:
        """Sums of so many genes; the last cells are gone when the result is made, so the larger of both counts."""
        cells = BYTES_PER_VALUE * min(values, self.values)
        parts = {
            "program and labels": self.program,
            "sums": BYTES_PER_SUM * self.frame.n_groups * n_genes,
            "cells at a time, then the result": max(cells, result + self.ending),
        }
        return Forecast(step="Pseudo-bulk", parts=parts, budget=budget, notes=notes)


def _whole(size: _Sizes, budget: int | None, *, values: int) -> SumPlan:
    forecast = size.forecast(size.frame.n_genes, values=values, result=size.result, budget=budget)
    return SumPlan(blocks=((0, size.frame.n_genes),), chunk_values=values, scratch_bytes=0, forecast=forecast)


def _in_blocks(size: _Sizes, budget: int, *, width: int) -> SumPlan:
    n_genes, n_groups = size.frame.n_genes, size.frame.n_groups
    # One block would fit, but not with what is made of it: on disk then, as if there were two.
    n = min(max(-(-n_genes // width), 2), n_genes)
    blocks = tuple((n_genes * i // n, n_genes * (i + 1) // n) for i in range(n))
    widest = max(high - low for low, high in blocks)
    scratch = BYTES_ON_DISK * n_groups * n_genes
    note = (
        f"The sums of {n_groups:,} groups and {n_genes:,} genes do not fit: {n} passes over the file, {widest:,} genes each, "
        f"and {show_bytes(scratch)} on disk."
    )
    forecast = size.forecast(widest, values=FEWEST_VALUES, result=0, budget=budget, notes=(note,))
    return SumPlan(blocks=blocks, chunk_values=FEWEST_VALUES, scratch_bytes=scratch, forecast=forecast)


def _too_little(size: _Sizes, budget: int) -> DataError:
    frame, least = size.frame, BYTES_PER_VALUE * FEWEST_VALUES
    narrow = BYTES_PER_SUM * frame.n_groups * max(frame.n_genes // MOST_PASSES, 1) * SUMS_IN_A_MERGE
    fixed = size.program + max(size.ending, least)
    problem = (
        f"{show_bytes(budget)} of memory are too little for the sums of {frame.n_groups:,} groups and {frame.n_genes:,} genes: "
        f"program, labels and tables alone take {show_bytes(fixed)}."
    )
    return DataError(
        problem, cure=f"Allow at least {show_bytes(1.1 * (max(fixed, WORKER + least) + narrow))} (--memory)."
    )
