"""Where a run stands, and the file that keeps it: written whole, read back bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from perturbridge._files import atomic_file
from perturbridge.errors import FitError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from ._adam import Adam

__all__ = ["RunState", "read_state", "write_state"]

FORMAT, VERSION = "perturbridge latent checkpoint", 1


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
    sums
        Parts of the loss, summed over the steps of the epoch under way.
    history
        One record per epoch.
    """

    step: int = 0
    best: float | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    since_best: int = 0
    stopped: bool = False
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
        "history": state.history,
    }
    payload = save({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, {"run": json.dumps(about)})
    with atomic_file(path) as temporary:
        temporary.write_bytes(payload)


def read_state(path: Path, *, modules: nn.Module, optimizer: Adam, fingerprint: str) -> RunState:
    """Read what `write_state` wrote into the modules and the optimizer, and return where the run stands.

    Raises
    ------
    FitError
        If the file is damaged, or belongs to a run with other cells or settings.
    """
    device = optimizer.mean.device
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            about = json.loads((file.metadata() or {}).get("run", "{}"))
            tensors = {name: file.get_tensor(name).to(device) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError) as error:
        problem = f"The checkpoint {path} cannot be read: {error}."
        raise FitError(problem, cure="Remove it to start over.") from error
    if about.get("format") != FORMAT or about.get("version") != VERSION or about.get("fingerprint") != fingerprint:
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
        sums=part("sums."),
        history=about["history"],
    )
