"""Results added up on the cluster, two at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from ._dask_faults import check_task, result_of
from ._dask_wait import SECONDS_BETWEEN_LOOKS, Watch, as_they_end
from ._interface import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["merged_on_cluster"]

R = TypeVar("R")


def merged_on_cluster(
    client: Any,  # noqa: ANN401 a client of Dask
    futures: list[Any],
    *,
    merge: Callable[[R, R], R],
    keep: Callable[[R], None] | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[R] | None:
    """Merge the results of futures as a tree that grows as they end; None where some were lost with what they share.

    Parameters
    ----------
    client
        Of the cluster.
    futures
        One for each task; emptied, so that a result is dropped once it is merged.
    merge, keep, progress
        As in `Workers.fold`.
    """
    from distributed import as_completed

    n = len(futures)
    # How many tasks are in the result behind a future, by its key.
    weight = {future.key: 1 for future in futures}
    leaves, done = set(weight), 0
    completed = as_completed(futures)  # type: ignore[no-untyped-call]
    futures.clear()
    keeping, ready = _Keeping(client, keep), []
    for future in as_they_end(client, completed):
        check_task(future)
        if future.status != "finished":
            return None
        if future.key in leaves:
            done += 1
            if progress is not None:
                progress(done, n)
        ready.append(future)
        del future
        if len(ready) == 2:
            keeping.offer(ready, weight)
            # Before the tasks that still wait for a worker: a result in hand takes memory until it is merged.
            joined = client.submit(merge, *ready, pure=False, priority=10)
            weight[joined.key] = sum(weight.pop(one.key) for one in ready)
            completed.add(joined)  # type: ignore[no-untyped-call]
            ready.clear()
    keeping.finish()
    return result_of(ready[0])


class _Keeping:
    """Puts the largest result there is on disk now and then, one write at a time."""

    def __init__(self, client: Any, keep: Callable[[Any], None] | None) -> None:  # noqa: ANN401 a client of Dask
        self._client, self._keep, self._pace = client, keep, Pace()
        self._began = 0.0
        self._running: Any | None = None

    def offer(self, ready: list[Any], weight: dict[str, int]) -> None:
        """Write the largest of these if it is time."""
        if self._running is not None and self._running.done():
            self.finish()
        if self._keep is None or self._running is not None or not self._pace.due():
            return
        largest = max(ready, key=lambda one: weight[one.key])
        self._began = time.monotonic()
        self._running = self._client.submit(self._keep, largest, pure=False, priority=20)

    def finish(self) -> None:
        """Wait for the write under way; what went wrong in it goes wrong here."""
        if self._running is None:
            return
        watch = Watch(self._client)
        while not self._running.done():
            time.sleep(SECONDS_BETWEEN_LOOKS / 20)
            watch.look()
        result_of(self._running)
        self._pace.kept(time.monotonic() - self._began)
        self._running = None
