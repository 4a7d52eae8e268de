"""What every kind of workers can do."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["KEEP_SECONDS", "Pace", "Workers", "row_ranges"]

# Least time between two writes of what is merged so far, and the share of the time that writing may take.
KEEP_SECONDS = 30.0
KEEPING_SHARE = 0.05

T = TypeVar("T")
R = TypeVar("R")


class Pace:
    """Says when it is time to keep what there is: after a pause that grows with what keeping took."""

    def __init__(self) -> None:
        self._pause, self._last = KEEP_SECONDS, time.monotonic()

    def due(self) -> bool:
        """Whether the pause is over."""
        return time.monotonic() - self._last > self._pause

    def kept(self, seconds: float) -> None:
        """Begin the next pause."""
        self._pause, self._last = max(KEEP_SECONDS, seconds / KEEPING_SHARE), time.monotonic()

    def offer(self, total: R, keep: Callable[[R], None] | None) -> None:
        """Keep what there is, if it is time."""
        if keep is None or not self.due():
            return
        began = time.monotonic()
        keep(total)
        self.kept(time.monotonic() - began)


class Workers(Protocol):
    """Runs a pure function over tasks; a task that was lost with its worker is done again, and no result is taken twice."""

    @property
    def here(self) -> bool:
        """Whether it is this process alone that works, so that nothing has to travel."""

    @property
    def n(self) -> int:
        """Tasks at a time."""

    @property
    def description(self) -> str:
        """How many there are, and where they can be watched."""

    def map(
        self,
        function: Callable[[T, Any], R],
        tasks: Sequence[T],
        *,
        shared: object = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[R]:
        """Return `function(task, shared)` for every task, in the order of the tasks.

        Parameters
        ----------
        function
            Of a module, so that it travels by name; without side effects, since it may run twice.
        tasks
            Small: paths, ranges, a few arrays.
        shared
            What every task needs; it travels once to each worker and must not be changed.
        progress
            Called with tasks done and in all.
        """

    def fold(
        self,
        function: Callable[[T, Any], R],
        tasks: Sequence[T],
        *,
        merge: Callable[[R, R], R],
        shared: object = None,
        keep: Callable[[R], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> R:
        """Return the results merged in any order; `merge` is associative and commutative and changes neither argument.

        Parameters
        ----------
        function, tasks, shared, progress
            As in `map`; at least one task.
        merge
            Joins two results, on the workers where they lie on workers.
        keep
            Called now and then, where the results lie, with what is merged so far, to put it on disk; not more often than takes a twentieth
            of the time.
        """


def row_ranges(n_rows: int, n_parts: int, *, start: int = 0) -> list[tuple[int, int]]:
    """Cut rows into at most so many ranges `(start, stop)` of nearly equal length, none empty.

    Parameters
    ----------
    n_rows, n_parts
        Rows, and ranges wanted.
    start
        First row.

    Examples
    --------
    >>> row_ranges(10, 3)
    [(0, 3), (3, 6), (6, 10)]
    """
    n_parts = max(min(n_parts, n_rows), 1)
    edges = [start + n_rows * i // n_parts for i in range(n_parts + 1)]
    return [(low, high) for low, high in pairwise(edges) if low < high]
