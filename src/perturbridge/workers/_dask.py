"""A Dask cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ._call import call, have, release
from ._dask_faults import check_task, explained, lost_again, never_handed_round, result_of
from ._dask_merge import merged_on_cluster
from ._dask_wait import as_they_end, check_connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["OnDask"]

T = TypeVar("T")
R = TypeVar("R")

# What was sent to the workers is lost when all that hold it die together; it is then sent again, but not for ever.
ROUNDS = 5
BYTES_AT_ONCE = 4_000_000
LARGEST_TASK = "1 TB"
SECONDS_TO_MEND = 1.0


@dataclass(frozen=True)
class OnDask:
    """The workers behind a `dask.distributed.Client`.

    Parameters
    ----------
    client
        Yours; it is not closed.
    """

    client: Any

    @property
    def here(self) -> bool:
        """No."""
        return False

    @property
    def n(self) -> int:
        """Threads of all workers, at least one."""
        return max(int(sum(self.client.nthreads().values())), 1)

    @property
    def description(self) -> str:
        """Workers, threads and the address of the dashboard."""
        workers = len(self.client.nthreads())
        return f"{workers} Dask workers, {self.n} threads, dashboard {self.client.dashboard_link}"

    def map(
        self,
        function: Callable[[T, Any], R],
        tasks: Sequence[T],
        *,
        shared: object = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[R]:
        """See `Workers`."""
        results: dict[int, R] = {}
        with explained(self.client):
            for _ in range(ROUNDS):
                left = [i for i in range(len(tasks)) if i not in results]
                for i, future in self._ended(function, [tasks[i] for i in left], shared):
                    if (result := result_of(future)) is not None:
                        results[left[i]] = result[0]
                    if progress is not None:
                        progress(len(results), len(tasks))
                if len(results) == len(tasks):
                    break
            else:
                raise lost_again(len(tasks) - len(results), len(tasks))
        return [results[i] for i in range(len(tasks))]

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
        """See `Workers`; two results are merged on a worker as soon as both are there, so that few of them exist at a time."""
        with explained(self.client):
            for _ in range(ROUNDS):
                futures = self._sent(function, tasks, shared)
                if (
                    result := merged_on_cluster(self.client, futures, merge=merge, keep=keep, progress=progress)
                ) is not None:
                    total: R = result[0]
                    return total
            raise lost_again(len(tasks), len(tasks))

    def _ended(
        self, function: Callable[[T, Any], R], tasks: Sequence[T], shared: object, /
    ) -> Iterator[tuple[int, Any]]:
        """Yield position and future of each task that ended, as it ends, without those that were lost with what they share."""
        from distributed import as_completed

        futures = self._sent(function, tasks, shared)
        position = {future.key: i for i, future in enumerate(futures)}
        completed = as_completed(futures)  # type: ignore[no-untyped-call]
        # A result stays on its worker for as long as someone here holds its future.
        del futures
        for future in as_they_end(self.client, completed):
            check_task(future)
            if future.status == "finished":
                yield position[future.key], future

    def _scattered(self, shared: object) -> Any:  # noqa: ANN401 a future of Dask
        """Send to every worker what all tasks share, again where one of them dies just then."""
        for _ in range(ROUNDS):
            check_connected(self.client)
            try:
                sent = self.client.scatter(shared, hash=False)
            except TimeoutError:
                raise
            except (OSError, KeyError):
                # The scheduler stumbles over a worker that vanishes while it gets its copy (a KeyError of its own).
                time.sleep(SECONDS_TO_MEND)
                continue
            if self._all_have(sent):
                return sent
        raise never_handed_round(ROUNDS)

    def _all_have(self, sent: Any) -> bool:  # noqa: ANN401 a future of Dask
        """Let every worker fetch a copy, and say whether there is still one; Dask's broadcast tries for ever to reach a worker that died."""
        from distributed import as_completed

        copies = [
            self.client.submit(have, sent, workers=[address], allow_other_workers=True, pure=False)
            for address in self.client.nthreads()
        ]
        ended = as_they_end(self.client, as_completed(copies))  # type: ignore[no-untyped-call]
        return all(result_of(future) is not None for future in ended)

    def _sent(self, function: Callable[[T, Any], R], tasks: Sequence[T], shared: object, /) -> list[Any]:
        """Hand the tasks over, few at a time where they are large: the scheduler chokes on graphs of many megabytes."""
        import dask
        from distributed.protocol.pickle import dumps

        common = None if shared is None else self._scattered(shared)
        work = partial(call, function=function, sent_by=release())
        size = len(dumps(tasks[0])) if tasks else 1  # type: ignore[no-untyped-call]
        step = max(BYTES_AT_ONCE // size, 1)
        # A task may be large all by itself, with the labels of its cells: nothing that is sent twice, of which Dask would warn.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGEST_TASK}):
            return [
                future
                for low in range(0, len(tasks), step)
                for future in self.client.map(work, list(tasks[low : low + step]), shared=common, pure=False)
            ]
