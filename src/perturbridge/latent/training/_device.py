"""Where a model computes, and in what precision."""

from __future__ import annotations

import os

import torch

from perturbridge.errors import FitError

__all__ = ["resolve_device", "resolve_low"]


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
        number, n_devices = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if number >= n_devices:
            problem = f"Process {number} of this machine has no GPU of its own: there are {n_devices}."
            raise FitError(problem, cure=f"Start at most {n_devices} with --nproc-per-node, or use device 'cpu'.")
        return torch.device("cuda", number)
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
