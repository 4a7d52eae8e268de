"""Tasks for workers: they travel by name, so they live in a module that every process can import."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

from perturbridge.errors import DataError


def plus(task: int, shared: int | None) -> int:
    return task + (shared or 0)


def add(first: int, second: int) -> int:
    return first + second


def variable(task: str, shared: object) -> str | None:
    return os.environ.get(task)


def slow(task: int, shared: float) -> int:
    time.sleep(shared)
    return task * task


def refuse(task: int, shared: object) -> int:
    if task == 3:
        problem = "Task 3 holds 1 broken value."
        raise DataError(problem, cure="Mend it.")
    return task


def fail(task: int, shared: object) -> int:
    return task // (task - 3)


def missing_file(task: int, shared: object) -> int:
    problem = "There is no file '/nowhere/screen.h5ad'."
    raise DataError(problem, cure="Check the path.")


def broken_disk(task: int, shared: object) -> int:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def die(task: int, shared: object) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return task


def die_once(task: int, shared: tuple[str, int]) -> int:
    """Kill the process that does one task, the first time it is done."""
    folder, unlucky = shared
    mark = Path(folder) / "died"
    time.sleep(0.02)
    if task == unlucky and not mark.exists():
        mark.touch()
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task


class DiesOnArrival:
    """An object that kills the process in which it arrives as the given one of all copies, wherever that is."""

    def __init__(self, folder: str, number: int, sent_by: int) -> None:
        self.about = (folder, number, sent_by)

    def __reduce__(self) -> tuple:
        return _arrive, self.about


def _arrive(folder: str, number: int, sent_by: int) -> DiesOnArrival:
    if os.getpid() != sent_by:
        (Path(folder) / f"arrived-{time.monotonic_ns()}-{os.getpid()}").touch()
        if len(list(Path(folder).glob("arrived-*"))) == number:
            os.kill(os.getpid(), signal.SIGKILL)
    return DiesOnArrival(folder, number, sent_by)


def size_of(task: bytes, _: object) -> int:
    return len(task)
