"""A Dask cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ._call import call, here
from ._dask_faults import explained, lost_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["OnDask"]

T = TypeVar("T")
R = TypeVar("R")

# What was sent to the workers is lost when all that hold it die together; it is then sent again, but not for ever.
ROUNDS = 5


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
                    if (result := _result(future)) is not None:
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
        progress: Callable[[int, int], None] | None = None,
    ) -> R:
        """See `Workers`; two results are merged on a worker as soon as both are there, so that few of them exist at a time."""
        done = 0
        with explained(self.client):
            for _ in range(ROUNDS):
                total, done = None, 0
                for _, future in self._ended(function, tasks, shared):
                    # Before the tasks that still wait for a worker: a result in hand takes memory until it is merged.
                    joined = (total, future)
                    total = future if total is None else self.client.submit(merge, *joined, pure=False, priority=10)
                    done += 1
                    del joined
                    if progress is not None:
                        progress(done, len(tasks))
                if done == len(tasks) and total is not None and (result := _result(total)) is not None:
                    merged: R = result[0]
                    return merged
            raise lost_again(len(tasks) - done, len(tasks))

    def _ended(
        self, function: Callable[[T, Any], R], tasks: Sequence[T], shared: object, /
    ) -> Iterator[tuple[int, Any]]:
        """Yield position and future of each task that ended, as it ends, without those that were lost with what they share."""
        from distributed import as_completed

        common = None if shared is None else self.client.scatter(shared, broadcast=True, hash=False)
        work = partial(call, function=function, sent_by=here())
        futures = self.client.map(work, list(tasks), shared=common, pure=False)
        position = {future.key: i for i, future in enumerate(futures)}
        completed = as_completed(futures)  # type: ignore[no-untyped-call]
        # A result stays on its worker for as long as someone here holds its future.
        del futures
        for future in completed:
            if future.status == "error":
                raise future.exception()
            if future.status == "finished":
                yield position[future.key], future


def _result(future: Any) -> tuple[Any] | None:  # noqa: ANN401 a future of Dask
    """Return a result in a tuple, or None where it was lost with what it was made of."""
    from concurrent.futures import CancelledError

    try:
        return (future.result(),)
    except CancelledError:
        return None
