"""The processes of a run: one, or as many as `torchrun` started."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

from perturbridge.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

__all__ = ["World", "joined_world", "resolve_device", "resolve_low"]


@dataclass(frozen=True)
class World:
    """One process among those of the run.

    Parameters
    ----------
    rank, size
        Number of this process from 0, and how many there are.
    """

    rank: int = 0
    size: int = 1

    def span(self, n_cells: int) -> tuple[int, int]:
        """First and last position (excluded) of this process among the cells of a step."""
        return n_cells * self.rank // self.size, n_cells * (self.rank + 1) // self.size

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, in one message per dtype."""
        if self.size == 1:
            return
        by_dtype: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            by_dtype.setdefault(tensor.dtype, []).append(tensor)
        for group in by_dtype.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in group])
            distributed.all_reduce(flat)
            for tensor, part in zip(group, flat.split_with_sizes([t.numel() for t in group]), strict=True):
                tensor.copy_(part.reshape(tensor.shape))


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """Join the processes that `torchrun` started, if it did, and leave them again if this call joined them.

    Raises
    ------
    FitError
        If the processes do not find one another.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    mine = False
    if size > 1 and not distributed.is_initialized():
        try:
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        except (RuntimeError, ValueError) as error:
            problem = f"{size} processes were announced but do not find one another: {error}."
            raise FitError(problem, cure="Start them with torchrun, or unset WORLD_SIZE.") from error
        mine = True
    try:
        if distributed.is_initialized():
            yield World(distributed.get_rank(), distributed.get_world_size())
        else:
            yield World()
    finally:
        if mine:
            distributed.destroy_process_group()


def resolve_device(name: str) -> torch.device:
    """Return the device behind `"auto"`, `"cpu"` or `"cuda"`.

    Raises
    ------
    FitError
        If there is no such device here.
    """
    there = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if there else "cpu"
    if name == "cuda" and there:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if name != "cpu":
        problem = f"Device {name!r} was asked for; this machine {'has CUDA' if there else 'has no CUDA device'}."
        raise FitError(problem, cure="Use 'auto', 'cpu' or, where there is one, 'cuda'.")
    return torch.device("cpu")


def resolve_low(precision: str, device: torch.device) -> bool:
    """Whether matrix products are taken in bfloat16."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return _has_native_bf16()


def _has_native_bf16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - read to the first flags line only
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))
