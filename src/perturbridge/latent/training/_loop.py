"""The training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from perturbridge.errors import FitError
from perturbridge.latent._noise import Noise, reseed
from perturbridge.latent.cells._order import Batches

from ._adam import Adam
from ._objective import objective
from ._schedule import kl_weight, learning_rate
from ._state import RunState, read_state, write_state
from ._watch import held_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.latent._training import Training
    from perturbridge.latent.cells._dataset import Dataset
    from perturbridge.latent.modules._vae import Vae

    from ._world import World

__all__ = ["Run", "train"]

# First members of the seed tuples, so that no two uses draw the same numbers.
STEP_NOISE, WATCH_NOISE = 1, 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """What is trained, on what, and how.

    Parameters
    ----------
    module, penalties
        The model and further terms of its loss.
    data, held
        Cells to learn from, and cells on which the bound is watched.
    train_rows, held_rows
        Their rows in the screen.
    training
        Settings.
    world
        The processes.
    fingerprint
        Of settings and cells; a checkpoint of another run is refused.
    """

    module: Vae
    penalties: nn.ModuleList
    data: Dataset
    held: Dataset
    train_rows: NDArray[np.int64]
    held_rows: NDArray[np.int64]
    training: Training
    world: World
    fingerprint: str

    @property
    def batches(self) -> Batches:
        """How an epoch is cut."""
        return Batches(len(self.train_rows), self.training.batch_size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.batches.n_steps * self.training.epochs_for(len(self.train_rows))


def train(run: Run, *, progress: Callable[[int, int], None] | None = None) -> RunState:
    """Train in place and return where the run ended; the weights are then the best ones on held-out cells, or the last.

    Parameters
    ----------
    run
        What to train.
    progress
        Called with steps done and steps in all after each.

    Raises
    ------
    FitError
        If the loss is no longer a number, or the checkpoint is of another run.
    """
    modules = nn.ModuleList([run.module, run.penalties])
    training, file = run.training, run.training.checkpoint
    optimizer = Adam(modules.parameters(), epsilon=training.adam_epsilon, weight_decay=training.weight_decay)
    state = RunState()
    if file is not None and file.exists():
        state = read_state(file, modules=modules, optimizer=optimizer, fingerprint=run.fingerprint)
    source = torch.Generator(device=run.data.device)
    while state.step < run.n_steps and not state.stopped:
        for rows in _rest_of_epoch(run, state, modules):
            _step(run, state, rows, optimizer=optimizer, source=source)
            if progress is not None and run.world.rank == 0:
                progress(state.step, run.n_steps)
            if state.step % training.checkpoint_steps == 0:
                _keep(run, state, modules, optimizer=optimizer)
        _close_epoch(run, state, modules)
        _keep(run, state, modules, optimizer=optimizer)
    if state.best_weights:
        run.module.load_state_dict(state.best_weights)
    modules.eval()
    return state


def _keep(run: Run, state: RunState, modules: nn.Module, *, optimizer: Adam) -> None:
    file = run.training.checkpoint
    if file is not None and run.world.rank == 0:
        write_state(file, state, modules=modules, optimizer=optimizer, fingerprint=run.fingerprint)


def _rest_of_epoch(run: Run, state: RunState, modules: nn.Module) -> Iterator[NDArray[np.int64]]:
    """Rows of each step that is left in the epoch under way."""
    epoch, done = len(state.history), state.step - len(state.history) * run.batches.n_steps
    order = run.data.order(run.train_rows, seed=run.training.seed, epoch=epoch)
    modules.train()
    for within in range(done, run.batches.n_steps):
        yield order[slice(*run.batches.span(within))]


def _step(run: Run, state: RunState, rows: NDArray[np.int64], *, optimizer: Adam, source: torch.Generator) -> None:
    training, span = run.training, run.world.span(len(rows))
    reseed(source, STEP_NOISE, training.seed, state.step)
    loss, parts = objective(
        run.module,
        run.data.batch(rows[slice(*span)]),
        Noise(source, span, len(rows)),
        penalties=list(run.penalties),
        weight=kl_weight(state.step, run.n_steps, training=training),
        free_bits=training.free_bits,
        label_strength=training.label_strength,
        share=state.step / run.n_steps,
    )
    torch.autograd.backward(loss * ((span[1] - span[0]) / len(rows)))
    gradient = optimizer.gradient()
    run.world.add_up([gradient])
    if training.clip_norm is not None:
        gradient.mul_((training.clip_norm / (gradient.norm() + 1e-12)).clamp_max(1))
    rate = learning_rate(state.step, run.n_steps, training=training)
    state.step += 1
    optimizer.step(gradient, number=state.step, rate=rate)
    for name, value in parts.items():
        state.sums[name] = state.sums[name] + value if name in state.sums else value


def _close_epoch(run: Run, state: RunState, modules: nn.Module) -> None:
    """Record the epoch, look at the held-out cells, and decide whether to go on."""
    n = run.batches.n_steps
    record: dict[str, float | int] = {"epoch": len(state.history) + 1, "step": state.step}
    record |= {name: float(value) / n for name, value in state.sums.items()}
    state.sums = {}
    if not math.isfinite(record["loss"]):
        problem = f"The loss is {record['loss']} in epoch {record['epoch']}."
        raise FitError(problem, cure="Lower learning_rate, or set clip_norm, such as 100.")
    if len(run.held_rows):
        _share_buffers(run, modules)
        modules.eval()
        record |= held_out(run.module, run.held, run.held_rows, seed=(WATCH_NOISE, run.training.seed), world=run.world)
        if state.step >= run.training.warmup * run.n_steps:
            _judge(run, state, record["held_out_elbo"])
    state.history.append(record)


def _judge(run: Run, state: RunState, elbo: float) -> None:
    if state.best is None or elbo > state.best:
        state.best, state.since_best = elbo, 0
        state.best_weights = {name: value.detach().clone() for name, value in run.module.state_dict().items()}
        return
    state.since_best += 1
    state.stopped = run.training.patience is not None and state.since_best >= run.training.patience


def _share_buffers(run: Run, modules: nn.Module) -> None:
    """Each process has seen its own cells: average the running statistics of batch norm."""
    buffers = [buffer for buffer in modules.buffers() if buffer.dtype.is_floating_point]
    run.world.add_up(buffers)
    if run.world.size > 1:
        for buffer in buffers:
            buffer.div_(run.world.size)
