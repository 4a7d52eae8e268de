"""Sums as integers: addition of integers does not depend on its order, so neither does anything computed from the sums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log1p, sqrt
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Screen

    from ._frame import Frame
    from ._grouping import Grouping

__all__ = ["SQUARE_SCALE", "SUM_SCALE", "Accumulator", "Tally", "largest_value", "merge"]

SUM_SCALE = 2.0**36
SQUARE_SCALE = 2.0**32


@dataclass(frozen=True)
class Tally:
    """How many cells showed something, and the first of them.

    Parameters
    ----------
    count
        Cells.
    first
        Index of the first cell, -1 where there is none.
    """

    count: int = 0
    first: int = -1

    @classmethod
    def of(cls, cells: NDArray[np.integer]) -> Tally:
        """Count these cells."""
        return cls(len(cells), int(cells.min())) if len(cells) else cls()

    def __add__(self, other: Tally) -> Tally:
        firsts = [first for first in (self.first, other.first) if first >= 0]
        return Tally(self.count + other.count, min(firsts, default=-1))


@dataclass(frozen=True, eq=False, kw_only=True)
class Accumulator:
    """Sums over some cells of a screen; those of disjoint cells can be merged in any order, to the same bits.

    Parameters
    ----------
    sums, squares
        Σx · 2³⁶ and Σx² · 2³² over the cells of a group, each term rounded, int64 `(n_groups, n_genes)`.
    detected
        Cells in which a gene is not zero, int32, or int64 where they lie in a file, `(n_groups, n_genes)`.
    n_perturbed
        Cells `(n_perturbations + n_kinds, n_contexts)`, perturbations before kinds of other controls.
    n_control
        Cells `(n_contexts,)`.
    spans
        Ranges of cells that were read, `(start, stop)`, disjoint and sorted.
    fractional, empty
        Cells with a count that is not a whole number; cells without any count, which are in no sum.
    """

    sums: NDArray[np.int64]
    squares: NDArray[np.int64]
    detected: NDArray[np.int32]
    n_perturbed: NDArray[np.int64]
    n_control: NDArray[np.int64]
    spans: tuple[tuple[int, int], ...] = ()
    fractional: Tally = Tally()
    empty: Tally = Tally()

    @classmethod
    def zeros(cls, frame: Frame) -> Accumulator:
        """Nothing read yet."""
        shape = (frame.n_groups, frame.n_genes)
        return cls(
            sums=np.zeros(shape, dtype=np.int64),
            squares=np.zeros(shape, dtype=np.int64),
            detected=np.zeros(shape, dtype=np.int32),
            n_perturbed=np.zeros((frame.n_rows, frame.n_contexts), dtype=np.int64),
            n_control=np.zeros(frame.n_contexts, dtype=np.int64),
        )

    def with_range(self, start: int, stop: int, *, fractional: Tally, empty: Tally) -> Accumulator:
        """Return the same sums with the note that these cells are in them, and what they showed.

        Raises
        ------
        DataError
            If one of these cells was in them already.
        """
        return replace(
            self,
            spans=_join((*self.spans, (start, stop))),
            fractional=self.fractional + fractional,
            empty=self.empty + empty,
        )


def merge(first: Accumulator, second: Accumulator) -> Accumulator:
    """Add the sums of disjoint cells.

    Raises
    ------
    DataError
        If a cell was read by both, or the two belong to different groupings.
    """
    if first.sums.shape != second.sums.shape or first.n_perturbed.shape != second.n_perturbed.shape:
        problem = f"Sums of shape {first.sums.shape} and {second.sums.shape} belong to different screens or groupings."
        raise DataError(problem, cure="Merge parts of one screen, summed with one grouping.")
    return Accumulator(
        sums=first.sums + second.sums,
        squares=first.squares + second.squares,
        detected=first.detected + second.detected,
        n_perturbed=first.n_perturbed + second.n_perturbed,
        n_control=first.n_control + second.n_control,
        spans=_join(first.spans + second.spans),
        fractional=first.fractional + second.fractional,
        empty=first.empty + second.empty,
    )


def _join(spans: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if joined and start < joined[-1][1]:
            problem = f"Cell {start} was summed twice (ranges {joined[-1]} and {(start, stop)})."
            raise DataError(problem, cure="Give each worker a range of its own.")
        if joined and start == joined[-1][1]:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return tuple(joined)


def largest_value(screen: Screen, grouping: Grouping) -> float:
    """Return min(2²⁷/n, √(2³¹/n)) for the largest group of n cells: below it no sum of the screen can leave int64.

    Raises
    ------
    DataError
        If log1p(target_sum), the largest value a count can become, does not lie below it.
    """
    n = max(grouping.largest, 1)
    limit = min(2.0**63 / SUM_SCALE / n, sqrt(2.0**63 / SQUARE_SCALE / n))
    if screen.normalization.kind == "counts":
        highest = log1p(screen.normalization.target_sum)
        if highest >= limit:
            capacity = int(min(2.0**63 / SUM_SCALE / highest, 2.0**63 / SQUARE_SCALE / highest**2))
            problem = f"One group of the screen has {n} cells, its sums hold at most {capacity} at target_sum {screen.normalization.target_sum:g}."
            raise DataError(
                problem, cure="Name a context column, so that controls are summed by context, or split the screen."
            )
    return limit
