"""One process, this one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Serial"]

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Serial:
    """One task after the other, in this process."""

    @property
    def n(self) -> int:
        """One."""
        return 1

    @property
    def description(self) -> str:
        """That it is this process."""
        return "this process"

    def map(
        self,
        function: Callable[[T, Any], R],
        tasks: Sequence[T],
        *,
        shared: object = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[R]:
        """See `Workers`."""
        return list(_each(function, tasks, shared, progress=progress))

    def fold(
        self,
        function: Callable[[T, Any], R],
        tasks: Sequence[T],
        *,
        merge: Callable[[R, R], R],
        shared: object = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> R:
        """See `Workers`."""
        return reduce(merge, _each(function, tasks, shared, progress=progress))


def _each(
    function: Callable[[T, Any], R],
    tasks: Sequence[T],
    shared: object,
    /,
    *,
    progress: Callable[[int, int], None] | None,
) -> Iterator[R]:
    for done, task in enumerate(tasks, start=1):
        result = function(task, shared)
        if progress is not None:
            progress(done, len(tasks))
        yield result
