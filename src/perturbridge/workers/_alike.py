"""The same bits from one process and from any number of workers."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ._open import as_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["map_alike", "one_thread"]

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the numerical libraries of this process to one thread: the last digits of a matrix product depend on their number.

    Yields
    ------
    None
        The earlier number is restored when the block ends.
    """
    # Imported here: nothing but this needs it, and it looks through every library that is loaded.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def map_alike(
    client: object,
    function: Callable[[T, Any], R],
    tasks: Sequence[T],
    *,
    shared: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[R]:
    """Return `function(task, shared)` for every task, in the order of the tasks, each computed by one thread wherever it runs.

    Numbers then depend neither on the number of workers nor on that of processors, only on the kind of processor and the versions of
    the libraries. Workers that run several tasks at a time in one process of their own must have been started with `OMP_NUM_THREADS=1`,
    as `dask worker` and `LocalCluster` do by themselves.

    Parameters
    ----------
    client
        As in `as_workers`.
    function, tasks, shared, progress
        As in `Workers.map`.

    Raises
    ------
    DataError
        As `as_workers`, or if workers are lost for good.
    """
    workers = as_workers(client)
    # Around all of it too: threads of this process share the setting, and must not find it restored by one that ends early.
    with one_thread():
        if workers.here:
            return workers.map(function, tasks, shared=shared, progress=progress)
        return workers.map(partial(_alone, function=function), tasks, shared=shared, progress=progress)


def _alone(task: T, shared: object, *, function: Callable[[T, Any], R]) -> R:
    with one_thread():
        return function(task, shared)
