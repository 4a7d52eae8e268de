"""How a latent model is trained."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from perturbridge._checks import one_of
from perturbridge.errors import FitError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Training"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of the optimizer and of the run.

    Under `torchrun` each process reads and holds its own cells, ranges of rows all over the file; a step takes its share of each, and its gradient
    is the mean over all its cells. Batch norm, `free_bits` and penalties that compare cells look at the cells of one process.

    Parameters
    ----------
    epochs
        Passes over the training cells; default: 200,000 cell visits, at least 10 and at most 400 passes.
    batch_size
        Cells in a step, over all processes.
    learning_rate
        Highest rate of the cycle, for a batch of 128; it grows with the root of the batch.
    schedule
        `"one_cycle"`: up over 30 % of the steps, then down to nothing. `"constant"`: never changed.
    weight_decay, adam_epsilon
        Of Adam.
    clip_norm
        Gradients longer than this are cut to it; None: never.
    warmup
        Share of the steps over which the weight of the KL term grows from 0 to `beta`.
    beta
        Final weight of the KL term; 1 is the evidence lower bound.
    free_bits
        Nats per dimension that cost nothing, against collapse.
    label_strength
        Weight of the cross-entropy of known labels (scANVI's classification ratio).
    validation
        Share of the cells that are held out to watch the bound; 0: none, and no early stopping.
    patience
        Epochs without a better held-out bound after which training stops, counted from the end of the warm-up; None: never.
    precision
        `"fp32"`, `"bf16"` (matrix products alone), or `"auto"`: bf16 where the processor multiplies it natively.
    device
        `"auto"`, `"cpu"` or `"cuda"`.
    stream
        Read cells from disk as they are needed instead of holding them in memory.
    block_rows
        Cells that are read together when streaming.
    shuffle_rows
        Cells of a process that are shuffled among one another when streaming, twice of which are in memory.
    checkpoint
        File in which the run is kept while it lasts; if it is there, the run goes on from it, in any number of processes: with as many, bit
        for bit.
    checkpoint_steps
        Steps between two writes of it.
    seed
        Draws weights, order and noise.
    """

    epochs: int | None = None
    batch_size: int = 128
    learning_rate: float = 1e-2
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    weight_decay: float = 1e-6
    adam_epsilon: float = 1e-8
    clip_norm: float | None = None
    warmup: float = 0.2
    beta: float = 1.0
    free_bits: float = 0.0
    label_strength: float = 50.0
    validation: float = 0.1
    patience: int | None = 10
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    stream: bool = False
    block_rows: int = 512
    shuffle_rows: int = 32768
    checkpoint: Path | None = None
    checkpoint_steps: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("schedule", self.schedule, ("one_cycle", "constant"))
        one_of("precision", self.precision, ("auto", "fp32", "bf16"))
        for name, low, high in (
            ("epochs", 1, 10**6),
            ("batch_size", 1, 10**7),
            ("learning_rate", 1e-12, 10.0),
            ("weight_decay", 0.0, 1.0),
            ("adam_epsilon", 1e-16, 1.0),
            ("clip_norm", 1e-12, 1e12),
            ("warmup", 0.0, 1.0),
            ("beta", 0.0, 1e6),
            ("free_bits", 0.0, 1e3),
            ("label_strength", 0.0, 1e6),
            ("validation", 0.0, 0.9),
            ("patience", 1, 10**6),
            ("block_rows", 1, 10**7),
            ("shuffle_rows", 1, 10**8),
            ("checkpoint_steps", 1, 10**9),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                problem = f"{name} is {value}."
                raise FitError(problem, cure=f"Use a number from {low} to {high}.")

    def epochs_for(self, n_cells: int) -> int:
        """Passes over so many training cells."""
        if self.epochs is not None:
            return self.epochs
        return int(min(max(round(200_000 / max(n_cells, 1)), 10), 400))

    def as_json(self) -> dict[str, str | int | float | bool | None]:
        """Return plain JSON types, without the place of the checkpoint."""
        kept = [field.name for field in fields(self) if field.name != "checkpoint"]
        return {name: getattr(self, name) for name in kept}
