"""Joining the processes that `torchrun` started."""

from __future__ import annotations

import atexit
import signal
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from torch import distributed

from perturbridge._processes import announced
from perturbridge.errors import FitError

from ._world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    import torch

__all__ = ["WAIT", "joined_world"]

# A process that is killed is noticed at once. One that hangs, or whose machine is gone, is waited for so long: longer than one can be behind
# the others because its rows lie on a slower disk.
WAIT = timedelta(minutes=15)


@contextmanager
def joined_world(device: torch.device, *, checkpoint: Path | None = None, wait: timedelta = WAIT) -> Iterator[World]:
    """Join the processes that `torchrun` started, if it did; they stay together until this process ends, for further fits.

    Parameters
    ----------
    device
        Where this process computes: gloo joins processors, nccl joins GPUs.
    checkpoint
        File that keeps the run, which an error names.
    wait
        How long others may take to come or to answer.

    Raises
    ------
    FitError
        If the processes do not find one another, or this one is told to stop because another has ended.
    """
    rank, size = announced()
    if distributed.is_initialized():
        rank, size = distributed.get_rank(), distributed.get_world_size()
    elif size > 1:
        _join(size, device=device, wait=wait)
    world = World(rank, size, device, checkpoint)
    if size == 1:
        yield world
        return
    with _told_to_stop(world):
        try:
            yield world
        except BaseException as error:
            if device.type == "cuda":
                # Leaving GPUs would wait for those that are gone; the end of the process does not.
                atexit.unregister(_leave)
            elif not isinstance(error, FitError):
                # To a FitError all come alike. Anything else is this one's own, and those who wait for it have to learn of it.
                _leave()
            raise


def _join(size: int, *, device: torch.device, wait: timedelta) -> None:
    on_gpu = device.type == "cuda"
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    try:
        distributed.init_process_group(backend, timeout=wait, device_id=device if on_gpu else None)
    except (RuntimeError, ValueError) as error:
        words = str(error).partition("\n")[0]
        problem = f"{size} processes were announced but do not find one another: {words.rstrip('.')}."
        raise FitError(problem, cure="Start them with torchrun, or unset WORLD_SIZE.") from error
    # Joining a second time in one process would meet what the first time left with the launcher.
    atexit.register(_leave)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def _told_to_stop(world: World) -> Iterator[None]:
    """Turn SIGTERM, which torchrun sends to those that are left over, into an error of ours for as long as this lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        how = "the job was told to stop (SIGTERM)"
        raise world.lost(how)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except BaseException:
        # The launcher sends it as well to one that is ending with an error, which is to be read: it is let pass once.
        signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, before))
        raise
    signal.signal(signal.SIGTERM, before)
