"""What a range of cells needs to be summed anywhere: its rows and labels, and the frame that all ranges share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perturbridge.values import part_of

from ._fixed_point import largest_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.values import CountSource, Screen

    from ._grouping import Grouping

__all__ = ["Frame", "RangeTask", "frame_of", "range_task", "stored_values"]

# Cells are sorted by group within a chunk: with several of each group, its sums are still in the processor's cache for the next one.
# (2,000 groups x 8,000 genes: 3.9 CPU s for 128 million values with four of each, 3.0 with eight, 3.0 with sixteen.)
CELLS_PER_GROUP = 8
LEAST_VALUES, MOST_VALUES = 1_000_000, 12_000_000


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What all ranges of one screen have in common.

    Parameters
    ----------
    n_groups, n_rows, n_contexts
        Sums, those of them that are compared with the baseline, and contexts of the baseline.
    genes
        First gene that is summed, and the one after the last.
    target_sum
        Counts per cell after scaling; 0 for values that are log1p already.
    limit
        Values have to lie below it, see `largest_value`.
    gene_names
        Of all genes, for messages.
    chunk_values
        Most stored values to read at a time; by default enough for eight cells of each group, from one to twelve million.
    chunk_rows
        Most cells to read at a time, None: as the values say.
    """

    n_groups: int
    n_rows: int
    n_contexts: int
    genes: tuple[int, int]
    target_sum: float
    limit: float
    gene_names: tuple[str, ...]
    chunk_values: int
    chunk_rows: int | None = None

    @property
    def n_genes(self) -> int:
        """Genes that are summed."""
        return self.genes[1] - self.genes[0]

    def block(self, low: int, high: int) -> Frame:
        """Return the frame for some of the genes."""
        return replace(self, genes=(low, high))


@dataclass(frozen=True, eq=False, kw_only=True)
class RangeTask:
    """Consecutive cells, with where to read them and where their sums go.

    Parameters
    ----------
    start, stop
        The cells in the screen, `stop` excluded.
    source
        Reads these cells; its cell 0 is `start`.
    groups, contexts
        As in `Grouping`, of these cells.
    """

    start: int
    stop: int
    source: CountSource
    groups: NDArray[np.int32]
    contexts: NDArray[np.int32]


def frame_of(screen: Screen, grouping: Grouping, *, chunk_rows: int | None = None) -> Frame:
    """Return the frame of a screen for all its genes.

    Raises
    ------
    DataError
        If a group has more cells than its sums hold.
    """
    logged = screen.normalization.kind == "log1p"
    return Frame(
        n_groups=grouping.n_groups,
        n_rows=grouping.n_rows,
        n_contexts=len(grouping.contexts),
        genes=(0, screen.n_genes),
        target_sum=0.0 if logged else screen.normalization.target_sum,
        limit=largest_value(screen, grouping),
        gene_names=screen.genes,
        chunk_values=_chunk_values(screen, grouping),
        chunk_rows=chunk_rows,
    )


def range_task(screen: Screen, grouping: Grouping, *, start: int, stop: int, travels: bool = False) -> RangeTask:
    """Return the task for a range of cells.

    Parameters
    ----------
    screen, grouping
        Whose cells.
    start, stop
        The range.
    travels
        Whether another process does it: it then gets copies of these labels alone.
    """
    whole = (start, stop) == (0, screen.n_cells) and not travels
    labels = (grouping.groups[start:stop], grouping.context_codes[start:stop])
    groups, contexts = (part.copy() for part in labels) if travels else labels
    source = screen.source if whole else part_of(screen.source, start, stop)
    return RangeTask(start=start, stop=stop, source=source, groups=groups, contexts=contexts)


def stored_values(screen: Screen) -> int:
    """Return how many values a pass over a screen reads."""
    ends = screen.source.row_ends()
    return screen.n_cells * screen.n_genes if ends is None else int(ends[-1]) if len(ends) else 0


def _chunk_values(screen: Screen, grouping: Grouping) -> int:
    per_cell = stored_values(screen) / max(screen.n_cells, 1)
    return int(min(max(CELLS_PER_GROUP * grouping.n_groups * per_cell, LEAST_VALUES), MOST_VALUES))
