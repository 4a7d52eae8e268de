"""The processes of a run: one, or as many as `torchrun` started, and what they say to one another."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import distributed

from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from torch import Tensor

__all__ = ["World"]


@dataclass(frozen=True)
class World:
    """One process among those of the run.

    Parameters
    ----------
    rank, size
        Number of this process from 0, and how many there are.
    device
        Where messages lie.
    checkpoint
        File that keeps the run, which an error names.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    checkpoint: Path | None = None

    def stretch(self, n: int) -> tuple[int, int]:
        """First and last (excluded) of n things in a row that are this process's own; every one belongs to one process."""
        return n * self.rank // self.size, n * (self.rank + 1) // self.size

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, in one message per dtype."""
        self._exchange(tensors, distributed.all_reduce)

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by that of the first process, in one message per dtype."""
        self._exchange(tensors, lambda flat: distributed.broadcast(flat, src=0))

    def tell(self, payload: bytes | None) -> bytes | None:
        """Return what the first process passed; the others' is not looked at."""
        if self.size == 1:
            return payload
        length = torch.tensor([-1 if payload is None else len(payload)], device=self.device)
        self.follow([length])
        if int(length) < 0:
            return None
        words = torch.empty(int(length), dtype=torch.uint8, device=self.device)
        if self.rank == 0 and payload:
            words.copy_(torch.frombuffer(bytearray(payload), dtype=torch.uint8))
        self.follow([words])
        return words.cpu().numpy().tobytes()

    def check_alike(self, fingerprint: str) -> None:
        """Check that all processes have the same cells and settings.

        Raises
        ------
        FitError
            If one has others than the first.
        """
        odd = torch.zeros(self.size, dtype=torch.int64, device=self.device)
        odd[self.rank] = self.tell(fingerprint.encode()) != fingerprint.encode()
        self.add_up([odd])
        others = torch.nonzero(odd).view(-1).tolist()
        if others:
            problem = f"{len(others)} of {self.size} processes have other cells, genes or settings than process 0, the first is process {others[0]}."
            raise FitError(problem, cure="Start every one of them with the same command on the same file.")

    def _exchange(self, tensors: Iterable[Tensor], send: Callable[[Tensor], object]) -> None:
        if self.size == 1:
            return
        by_dtype: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            by_dtype.setdefault(tensor.dtype, []).append(tensor)
        for group in by_dtype.values():
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in group])
            with self._losses():
                send(flat)
            for tensor, part in zip(group, flat.split_with_sizes([t.numel() for t in group]), strict=True):
                tensor.detach().copy_(part.reshape(tensor.shape))

    @contextmanager
    def _losses(self) -> Iterator[None]:
        # Both backends raise a RuntimeError that names sockets and lines of C++ where a process is gone.
        try:
            yield
        except RuntimeError as error:
            # "[pair.cc:537] Connection reset by peer. Advice …": neither the place nor the advice is for a person who trains a model.
            words = re.sub(r"^\[[^]]*\] *", "", str(error)).partition("\n")[0].partition(". ")[0]
            how = f"does not answer ({words})"
            raise self.lost(how) from error

    def lost(self, how: str) -> FitError:
        """Return the error of a process that is left over."""
        problem = f"Process {self.rank} of {self.size} stops: another one has ended or {how}."
        return FitError(problem, cure=self.cure)

    @property
    def cure(self) -> str:
        """How a run that broke off goes on."""
        if self.checkpoint is None:
            return (
                "Start the same command again; it starts over, for no checkpoint was named: "
                "with --checkpoint FILE the next run goes on where it stopped."
            )
        return f"Start the same command again: it goes on from the checkpoint {self.checkpoint}, or starts over if there is none yet."
