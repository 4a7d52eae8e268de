"""Which process this is, where `torchrun` started several of the same command."""

from __future__ import annotations

import os

from perturbridge.errors import FitError

__all__ = ["announced", "is_first", "refuse_several"]


def announced() -> tuple[int, int]:
    """Number of this process from 0 and how many there are, as the environment has them; one alone where nothing is announced.

    Raises
    ------
    FitError
        If `WORLD_SIZE` and `RANK` do not fit each other.
    """
    told = {name: os.environ.get(name, "") for name in ("WORLD_SIZE", "RANK")}
    # A RANK without a WORLD_SIZE is somebody else's.
    if told["WORLD_SIZE"] in ("", "1"):
        return 0, 1
    try:
        size, rank = (int(value) for value in told.values())
    except ValueError:
        size, rank = 0, 0
    if not 0 <= rank < size:
        problem = (
            f"The environment announces processes that cannot be: {', '.join(f'{n}={v!r}' for n, v in told.items())}."
        )
        raise FitError(problem, cure="Start them with torchrun, or unset WORLD_SIZE.")
    return rank, size


def is_first() -> bool:
    """True for the one process that writes and prints."""
    return announced()[0] == 0


def refuse_several(what: str) -> None:
    """Refuse to do in several processes what each would do whole, and write to the same place.

    Raises
    ------
    FitError
        If there are several.
    """
    rank, size = announced()
    if size > 1:
        problem = f"{what} was started {size} times, this is process {rank}: each would do the whole of it and write to the same place."
        cure = (
            "Start it once, without torchrun; `perturbridge latent fit` and LatentModel.fit are what torchrun spreads."
        )
        raise FitError(problem, cure=cure)
