"""From what a user passes to workers."""

from __future__ import annotations

import logging
import os
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

from ._dask import OnDask
from ._executor import OnExecutor
from ._serial import Serial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._interface import Workers

__all__ = ["as_workers", "open_workers"]

SECONDS_TO_CONNECT = 20
# Dask starts workers with a setting of the allocator that makes it ask the system for every array of over 128 kB anew; work on arrays of a
# megabyte then takes up to 1.8 times as long. This is the most that the allocator of Linux would come to by itself.
BYTES_MAPPED_FROM = 1 << 25
_MAPPED_FROM = "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_"


def as_workers(client: object) -> Workers:
    """Return the workers behind what was passed as `client`.

    Parameters
    ----------
    client
        None (this process), a `dask.distributed.Client`, any `concurrent.futures.Executor`, or workers already.

    Raises
    ------
    DataError
        If it is none of them, or a client for asynchronous use.
    """
    if client is None:
        return Serial()
    if isinstance(client, Serial | OnExecutor | OnDask):
        return client
    if isinstance(client, Executor):
        return OnExecutor(client)
    if not all(hasattr(client, name) for name in ("scatter", "submit", "nthreads")):
        problem = f"client is of type {type(client).__name__}."
        raise DataError(
            problem, cure="Pass a dask.distributed.Client or a concurrent.futures.Executor, or leave it out."
        )
    if getattr(client, "asynchronous", False):
        problem = "The Dask client is asynchronous."
        raise DataError(problem, cure="Pass a client that was made without asynchronous=True.")
    return OnDask(client)


@contextmanager
def open_workers(where: str | None) -> Iterator[Workers]:
    """Connect to a cluster, or start one on this machine, for as long as the block lasts.

    Parameters
    ----------
    where
        None (this process), `"local"` or `"local:N"` (N processes here), the address of a scheduler (`"tcp://host:8786"`), or the JSON file
        that a scheduler wrote with `--scheduler-file`.

    Yields
    ------
    Workers
        Closed when the block ends.

    Raises
    ------
    DataError
        If Dask is not installed, or nothing answers there.
    """
    if where is None:
        yield Serial()
        return
    n_local = _local(where)
    if n_local is None and "://" not in where and not where.endswith(".json"):
        problem = f"{where!r} is no place for workers."
        cure = "Use local, local:4, the address of a scheduler such as tcp://host:8786, or its scheduler file (.json)."
        raise DataError(problem, cure=cure)
    try:
        import dask
        import distributed
    except ImportError as error:
        problem = "Dask is not installed."
        raise DataError(problem, cure="pip install 'perturbridge[distributed]'") from error
    if n_local is not None:
        # Without a fixed port two runs on one machine do not meet; a worker that dies is replaced, and its trace helps nobody.
        with (
            dask.config.set({_MAPPED_FROM: BYTES_MAPPED_FROM}),
            distributed.LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=n_local, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
            ) as cluster,
            distributed.Client(cluster) as client,  # type: ignore[no-untyped-call]
        ):
            yield OnDask(client)
        return
    with _connected(distributed, where) as client:
        yield OnDask(client)


def _local(where: str) -> int | None:
    name, _, count = where.partition(":")
    if name != "local":
        return None
    if not count:
        return os.cpu_count() or 1
    if not count.isdecimal() or int(count) < 1:
        problem = f"{where!r} does not say how many workers."
        raise DataError(problem, cure="Write local:4 for four, or local for one on each processor.")
    return int(count)


@contextmanager
def _connected(distributed: object, where: str) -> Iterator[object]:
    kept = {"scheduler_file": where} if where.endswith(".json") else {"address": where}
    if where.endswith(".json") and not Path(where).is_file():
        problem = f"There is no scheduler file {where!r}."
        raise DataError(problem, cure="Start the scheduler with --scheduler-file and name the same file.")
    try:
        client = distributed.Client(**kept, timeout=SECONDS_TO_CONNECT)  # type: ignore[attr-defined]
    except (OSError, ValueError, TimeoutError) as error:
        problem = f"No Dask scheduler answers at {where}: {' '.join(str(error).split())[:200]}."
        raise DataError(
            problem, cure="Start one with `dask scheduler`, and workers with `dask worker ADDRESS`."
        ) from error
    with client:
        if not client.nthreads():
            problem = f"The Dask scheduler at {where} has no workers."
            raise DataError(problem, cure="Start some with `dask worker ADDRESS` and repeat the command.")
        yield client
