"""Any `concurrent.futures.Executor`: processes of this machine, threads, MPI, what a Dask client gives."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, Executor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from perturbridge.errors import DataError

from ._call import call_each, release
from ._interface import row_ranges
from ._serial import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["OnExecutor"]

T = TypeVar("T")
R = TypeVar("R")

# Tasks go out in groups, so that what they share is not sent with each; more groups than workers even out their speed.
GROUPS_PER_WORKER = 4


@dataclass(frozen=True)
class OnExecutor:
    """The workers of an executor; results are merged here, since an executor moves everything through this process anyway.

    Parameters
    ----------
    executor
        Yours; it is not shut down.
    """

    executor: Executor

    @property
    def here(self) -> bool:
        """No."""
        return False

    @property
    def n(self) -> int:
        """Workers, or processors where the executor does not say."""
        return int(getattr(self.executor, "_max_workers", 0) or os.cpu_count() or 1)

    @property
    def description(self) -> str:
        """Kind and number of workers."""
        return f"{type(self.executor).__name__}, {self.n} workers"

    def map(
        self,
        function: Callable[[T, Any], R],
        tasks: Sequence[T],
        *,
        shared: object = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[R]:
        """See `Workers`."""
        results = dict(self._groups(function, tasks, shared, progress=progress))
        return [result for low in sorted(results) for result in results[low]]

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
        """See `Workers`."""
        groups = self._groups(function, tasks, shared, progress=progress)
        return merged((result for _, results in groups for result in results), merge=merge, keep=keep)

    def _groups(
        self,
        function: Callable[[T, Any], R],
        tasks: Sequence[T],
        shared: object,
        /,
        *,
        progress: Callable[[int, int], None] | None,
    ) -> Iterator[tuple[int, list[R]]]:
        """Yield first position and results of each group, in the order in which they end."""
        work = partial(call_each, function=function, sent_by=release())
        spans = row_ranges(len(tasks), self.n * GROUPS_PER_WORKER)
        futures = {self.executor.submit(work, tasks[low:high], shared): (low, high) for low, high in spans}
        done = 0
        try:
            for future in as_completed(list(futures)):
                low, high = futures.pop(future)
                results = future.result()
                # A future keeps its result for as long as someone holds the future.
                del future
                done += high - low
                if progress is not None:
                    progress(done, len(tasks))
                yield low, results
        except BrokenExecutor as error:
            problem = f"A worker of {type(self.executor).__name__} died after {done} of {len(tasks)} tasks: {error}."
            cure = (
                "Most often memory ran out: lower memory=, or use fewer workers, and start again with a new executor."
            )
            raise DataError(problem, cure=cure) from error
        finally:
            for future in futures:
                future.cancel()
