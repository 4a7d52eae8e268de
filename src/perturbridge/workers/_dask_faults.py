"""What goes wrong on a cluster, in words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from perturbridge.errors import DataError, PerturbridgeError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_task", "explained", "lost_again", "never_handed_round", "result_of"]


@contextmanager
def explained(client: Any) -> Iterator[None]:  # noqa: ANN401 a client of Dask
    """Turn what Dask raises about workers and scheduler into an error of ours.

    Raises
    ------
    DataError
        If a task killed its worker again and again, the scheduler is gone, or workers lack this package.
    """
    address = getattr(client.scheduler, "address", "?") if client.scheduler is not None else "?"
    try:
        yield
    except _TaskFailed as failed:
        found = _of_task(failed.error)
        raise found from (None if found is failed.error else failed.error)
    except PerturbridgeError:
        raise
    except TimeoutError as error:
        if "workers" not in str(error):
            raise _gone(address, error) from error
        problem = f"The Dask scheduler at {address} has had no workers for a while."
        raise DataError(problem, cure="Start workers (`dask worker ADDRESS`) and repeat the command.") from error
    except (OSError, RuntimeError) as error:
        raise _gone(address, error) from error


class _TaskFailed(Exception):  # noqa: N818 it never leaves this room
    """What a task raised, kept apart from what the cluster raises: both may be an OSError."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def check_task(future: Any) -> None:  # noqa: ANN401 a future of Dask
    """Raise what the task of a future raised, if it did; `explained` gives it its name."""
    if future.status == "error":
        raise _TaskFailed(future.exception())


def _of_task(error: BaseException) -> BaseException:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        problem = f"A task was tried several times and its worker died each time, last {error.last_worker.address}."
        cure = "Most often its memory ran out: lower --memory (memory=), or give the workers more."
        return DataError(problem, cure=cure)
    if isinstance(error, ModuleNotFoundError):
        problem = f"A worker cannot import {error.name}."
        return DataError(problem, cure="Install perturbridge on every machine of the cluster, then start again.")
    return error


def lost_again(n_lost: int, n_tasks: int) -> DataError:
    """Return the error for tasks that were lost in every round."""
    problem = f"{n_lost} of {n_tasks} tasks were lost with their workers, however often they were sent again."
    return DataError(problem, cure="See why the workers die (memory, time limit of the job); then start again.")


def never_handed_round(n_times: int) -> DataError:
    """Return the error for workers that die, each time, while they get what all tasks share."""
    problem = f"Workers died {n_times} times while what all tasks share was handed round."
    return DataError(problem, cure="Most often its size is more than their memory: give the workers more.")


def _gone(address: str, error: Exception) -> DataError:
    text = " ".join(str(error).split())[:200]
    problem = f"The Dask scheduler at {address} cannot be reached any more ({type(error).__name__}: {text})."
    cure = "Start it again and repeat the command; with a checkpoint it goes on where it was."
    return DataError(problem, cure=cure)


def result_of(future: Any) -> tuple[Any] | None:  # noqa: ANN401 a future of Dask
    """Return a result in a tuple, or None where it was lost with what it was made of."""
    from concurrent.futures import CancelledError

    try:
        check_task(future)
        return (future.result(),)
    except CancelledError:
        return None
