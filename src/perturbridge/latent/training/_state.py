"""Where a run stands, and the file that keeps it: written whole, read back bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from perturbridge._files import atomic_file
from perturbridge.errors import FitError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from ._adam import Adam

__all__ = ["RunState", "read_state", "write_state"]

FORMAT, VERSION = "perturbridge latent checkpoint", 3


@dataclass(eq=False)
class RunState:
    """Everything a run needs to go on, beside weights and optimizer.

    Parameters
    ----------
    step
        Steps that are done.
    best
        Highest held-out bound after the warm-up, nats per cell, or None.
    best_weights
        The weights that reached it.
    since_best
        Epochs since then.
    stopped
        Whether training stopped early.
    shares
        In how many shares the cells of the epoch under way were dealt.
    sums
        Parts of the loss over all processes, summed over the steps of the epoch under way.
    history
        One record per epoch.
    """

    step: int = 0
    best: float | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    since_best: int = 0
    stopped: bool = False
    shares: int = 1
    sums: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def write_state(path: Path, state: RunState, *, modules: nn.Module, optimizer: Adam, fingerprint: str) -> None:
    """Write the run to one file, which appears whole or not at all."""
    tensors = {f"weights.{name}": value for name, value in modules.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
    tensors |= {f"sums.{name}": value for name, value in state.sums.items()}
    tensors |= {"adam.mean": optimizer.mean, "adam.square": optimizer.square}
    about = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": fingerprint,
        "step": state.step,
        "best": state.best,
        "since_best": state.since_best,
        "stopped": state.stopped,
        "shares": state.shares,
        "parts": list(state.sums),
        "history": state.history,
    }
    payload = save({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, {"run": json.dumps(about)})
    with atomic_file(path) as temporary:
        temporary.write_bytes(payload)


def read_state(payload: bytes, *, path: Path, modules: nn.Module, optimizer: Adam, fingerprint: str) -> RunState:
    """Read what `write_state` wrote into the modules and the optimizer, and return where the run stands.

    Parameters
    ----------
    payload, path
        The bytes of the file, and its name for messages.
    modules, optimizer
        What is set to how it was.
    fingerprint
        Of this run.

    Raises
    ------
    FitError
        If the file is damaged, of another version, or belongs to a run with other cells or settings.
    """
    device = optimizer.mean.device
    try:
        tensors = {name: value.to(device) for name, value in load(payload).items()}
        about = json.loads(_metadata(payload).get("run", "{}"))
    except (SafetensorError, ValueError) as error:
        problem = f"The checkpoint {path} cannot be read: {error}."
        raise FitError(problem, cure="Remove it to start over.") from error
    if about.get("format") == FORMAT and about.get("version") != VERSION:
        problem = (
            f"The checkpoint {path} is of version {about.get('version')}; this program writes and reads {VERSION}."
        )
        raise FitError(
            problem, cure="Finish that run with the program that began it, or remove the file to start over."
        )
    if about.get("format") != FORMAT or about.get("fingerprint") != fingerprint:
        problem = f"The checkpoint {path} belongs to a run with other cells, genes or settings."
        raise FitError(problem, cure="Remove it to start over, or give this run a checkpoint of its own.")

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    modules.load_state_dict(part("weights."))
    optimizer.mean.copy_(tensors["adam.mean"])
    optimizer.square.copy_(tensors["adam.square"])
    return RunState(
        step=about["step"],
        best=about["best"],
        best_weights=part("best."),
        since_best=about["since_best"],
        stopped=about["stopped"],
        shares=about["shares"],
        sums={name: tensors[f"sums.{name}"] for name in about["parts"]},
        history=about["history"],
    )


def _metadata(payload: bytes) -> dict[str, str]:
    # A safetensors file opens with the length of its header, which `load` has checked; only files give it out by name.
    length = int.from_bytes(payload[:8], "little")
    found: dict[str, str] = json.loads(payload[8 : 8 + length]).get("__metadata__", {})
    return found
