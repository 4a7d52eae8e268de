"""The training loop."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from perturbridge.errors import FitError
from perturbridge.latent._noise import Noise, generator
from perturbridge.latent.cells._order import Batches

from ._objective import objective
from ._schedule import kl_weight, learning_rate
from ._state import RunState, read_state, write_state
from ._watch import held_out

if TYPE_CHECKING:
    from collections.abc import Callable

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
        If the loss is no longer a number.
    """
    modules = nn.ModuleList([run.module, run.penalties])
    parameters = [p for p in modules.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(
        parameters,
        lr=run.training.learning_rate,
        eps=run.training.adam_epsilon,
        weight_decay=run.training.weight_decay,
        fused=True,
    )
    state = RunState()
    file = run.training.checkpoint
    if file is not None and file.exists():
        state = read_state(file, modules=modules, optimizer=optimizer, fingerprint=run.fingerprint)
    if run.training.compile:
        run.module.encoder.compile()
        run.module.decoder.compile()
    source = torch.Generator(device=run.data.device)
    per_epoch, order, order_of = run.batches.n_steps, run.train_rows, -1
    started = time.perf_counter()
    while state.step < run.n_steps and not state.stopped:
        epoch, within = divmod(state.step, per_epoch)
        if epoch != order_of:
            order, order_of = run.data.order(run.train_rows, seed=run.training.seed, epoch=epoch), epoch
        modules.train()
        _step(run, optimizer, state, order[slice(*run.batches.span(within))], source=source)
        state.step += 1
        if within == per_epoch - 1:
            _close_epoch(run, state, modules, seconds=time.perf_counter() - started)
            started = time.perf_counter()
        if progress is not None and run.world.rank == 0:
            progress(state.step, run.n_steps)
        due = state.step % run.training.checkpoint_steps == 0 or state.step == run.n_steps or state.stopped
        if file is not None and due and run.world.rank == 0:
            write_state(file, state, modules=modules, optimizer=optimizer, fingerprint=run.fingerprint)
    if state.best_weights:
        run.module.load_state_dict(state.best_weights)
    modules.eval()
    return state


def _step(
    run: Run, optimizer: torch.optim.Optimizer, state: RunState, rows: NDArray[np.int64], *, source: torch.Generator
) -> None:
    training = run.training
    span = run.world.span(len(rows))
    source.manual_seed(generator(STEP_NOISE, training.seed, state.step).initial_seed())
    noise = Noise(source, span, len(rows))
    loss, parts = objective(
        run.module,
        run.data.batch(rows[slice(*span)]),
        noise,
        penalties=list(run.penalties),
        weight=kl_weight(state.step, run.n_steps, training=training),
        free_bits=training.free_bits,
        share=state.step / run.n_steps,
    )
    optimizer.zero_grad(set_to_none=True)
    (loss * ((span[1] - span[0]) / len(rows))).backward()
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    if run.world.size > 1:
        for p in trained:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        run.world.add_up([p.grad for p in trained])
    if training.clip_norm is not None:
        nn.utils.clip_grad_norm_(trained, training.clip_norm)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(state.step, run.n_steps, training=training)
    optimizer.step()
    for name, value in parts.items():
        state.sums[name] = state.sums[name] + value if name in state.sums else value


def _close_epoch(run: Run, state: RunState, modules: nn.Module, *, seconds: float) -> None:
    """Record the epoch, look at the held-out cells, and decide whether to go on."""
    n = run.batches.n_steps
    record: dict[str, float | int] = {"epoch": len(state.history) + 1, "step": state.step}
    record |= {name: float(value) / n for name, value in state.sums.items()}
    state.sums = {}
    if not math.isfinite(record["loss"]):
        problem = f"The loss is {record['loss']} in epoch {record['epoch']}."
        raise FitError(problem, cure="Lower learning_rate, or set clip_norm, such as 100.")
    record["seconds"] = seconds
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
