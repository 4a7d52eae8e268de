"""What runs on a worker."""

from __future__ import annotations

import socket
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from perturbridge.errors import DataError, PerturbridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["call", "call_each", "have", "release"]

T = TypeVar("T")
R = TypeVar("R")


def release() -> str:
    """Return the version that must be the same everywhere."""
    return version("perturbridge")


def have(_shared: object) -> None:
    """Do nothing, with what all tasks share at hand."""


def call(task: T, shared: object, *, function: Callable[[T, Any], R], sent_by: str) -> R:
    """Do one task; an error of ours says on which machine it arose.

    Raises
    ------
    DataError
        If the worker has another version of this package.
    PerturbridgeError
        What the function raises.
    """
    if release() != sent_by:
        problem = f"The worker on {socket.gethostname()} has perturbridge {release()}, this process {sent_by}."
        raise DataError(problem, cure="Install the same version on every machine, then start the workers again.")
    try:
        return function(task, shared)
    except PerturbridgeError as error:
        cure = error.cure
        if "There is no file" in error.problem:
            cure = "Workers read files themselves: give a path that leads to the file on every machine."
        problem = f"{error.problem} (on {socket.gethostname()})"
        raise type(error)(problem, cure=cure) from error


def call_each(tasks: Sequence[T], shared: object, *, function: Callable[[T, Any], R], sent_by: str) -> list[R]:
    """Do several tasks that were sent together."""
    return [call(task, shared, function=function, sent_by=sent_by) for task in tasks]
