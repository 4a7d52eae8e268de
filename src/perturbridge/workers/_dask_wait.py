"""Waiting for a cluster, but not for one that is gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Watch", "as_they_end", "check_connected"]

# Workers that died are replaced by their nanny in seconds; those of a queue may take minutes.
SECONDS_WITHOUT_WORKERS = 300.0
SECONDS_BETWEEN_LOOKS = 2.0


def check_connected(client: Any) -> None:  # noqa: ANN401 a client of Dask
    """Raise ConnectionError if the connection to the scheduler is closed."""
    if client.status not in ("running", "connecting"):
        message = f"the connection is {client.status}"
        raise ConnectionError(message)


class Watch:
    """Looks now and then whether anybody is there to do the work; Dask itself would wait for ever.

    Parameters
    ----------
    client
        Of the cluster.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 a client of Dask
        self._client = client
        self._alone_since: float | None = None

    def look(self) -> None:
        """Look once.

        Raises
        ------
        ConnectionError
            If the scheduler is gone.
        DataError
            If there have been no workers for five minutes.
        """
        check_connected(self._client)
        if self._client.nthreads():
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if now - self._alone_since > SECONDS_WITHOUT_WORKERS:
            problem = (
                f"All workers of the Dask scheduler at {self._client.scheduler.address} are gone, and no others came."
            )
            cure = "See why they died (memory, time limit of the job), start workers and repeat the command; with a checkpoint it goes on."
            raise DataError(problem, cure=cure)


def as_they_end(client: Any, completed: Any) -> Iterator[Any]:  # noqa: ANN401 a client and an iterator of Dask
    """Yield futures as they end.

    Parameters
    ----------
    client
        Of the cluster.
    completed
        A `distributed.as_completed`, to which futures may be added meanwhile.
    """
    watch = Watch(client)
    while not completed.is_empty():
        with completed.thread_condition:
            if not completed.has_ready():
                completed.thread_condition.wait(SECONDS_BETWEEN_LOOKS)
        if completed.has_ready():
            yield next(completed)
        else:
            watch.look()
