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
from ._running import Running
from ._schedule import kl_weight, learning_rate
from ._state import RunState, read_state, write_state
from ._watch import held_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from perturbridge.latent._training import Training
    from perturbridge.latent.cells._dataset import Dataset
    from perturbridge.latent.cells._own import Cut, OwnCells
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
    cells
        Cells to learn from, those of this process opened.
    held, held_rows
        Those of the cells on which the bound is watched that this process looks at, and the rows of all of them.
    training
        Settings.
    world
        The processes.
    fingerprint
        Of settings and cells; a checkpoint of another run is refused.
    """

    module: Vae
    penalties: nn.ModuleList
    cells: OwnCells
    held: Dataset
    held_rows: NDArray[np.int64]
    training: Training
    world: World
    fingerprint: str

    @property
    def batches(self) -> Batches:
        """How an epoch is cut."""
        return Batches(len(self.cells.rows), self.training.batch_size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.batches.n_steps * self.training.epochs_for(len(self.cells.rows))


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
    training = run.training
    optimizer = Adam(modules.parameters(), epsilon=training.adam_epsilon, weight_decay=training.weight_decay)
    state = _begin(run, modules, optimizer=optimizer)
    source = torch.Generator(device=run.held.device)
    while state.step < run.n_steps and not state.stopped:
        epoch, n_steps = len(state.history), run.batches.n_steps
        done = state.step - epoch * n_steps
        if done == 0:
            state.shares = run.world.size
        modules.train()
        for cuts in run.cells.steps(state.shares, seed=training.seed, epoch=epoch, done=done):
            _step(run, state, cuts, modules=modules, optimizer=optimizer, source=source)
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


def _begin(run: Run, modules: nn.Module, *, optimizer: Adam) -> RunState:
    """Go on from the checkpoint, which the first process reads for all, or begin."""
    file = run.training.checkpoint
    payload = file.read_bytes() if run.world.rank == 0 and file is not None and file.exists() else None
    payload = run.world.tell(payload)
    if payload is None or file is None:
        return RunState(shares=run.world.size)
    return read_state(payload, path=file, modules=modules, optimizer=optimizer, fingerprint=run.fingerprint)


def _keep(run: Run, state: RunState, modules: nn.Module, *, optimizer: Adam) -> None:
    # Every process stands where the first one stands, so that its file serves all.
    file = run.training.checkpoint
    if file is not None and run.world.rank == 0:
        write_state(file, state, modules=modules, optimizer=optimizer, fingerprint=run.fingerprint)


def _step(
    run: Run, state: RunState, cuts: Sequence[Cut], *, modules: nn.Module, optimizer: Adam, source: torch.Generator
) -> None:
    training = run.training
    if len(cuts) == run.world.size == 1:
        loss, parts = _loss(run, state, cuts[0], source=source)
        torch.autograd.backward(loss)
        gradient = optimizer.gradient()
    else:
        gradient, parts = _shared(run, state, cuts, modules=modules, optimizer=optimizer, source=source)
    if training.clip_norm is not None:
        gradient.mul_((training.clip_norm / (gradient.norm() + 1e-12)).clamp_max(1))
    rate = learning_rate(state.step, run.n_steps, training=training)
    state.step += 1
    optimizer.step(gradient, number=state.step, rate=rate)
    for name, value in parts.items():
        state.sums[name] = state.sums[name] + value if name in state.sums else value


def _shared(
    run: Run, state: RunState, cuts: Sequence[Cut], *, modules: nn.Module, optimizer: Adam, source: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Gradient and parts of the loss over all shares, each weighed by its cells; all processes send one message and hold the same thereafter."""
    running = Running(modules)
    # A process without a share, in the rest of an epoch that fewer began, has no loss of its own.
    parts = {} if cuts else {name: torch.zeros_like(value) for name, value in state.sums.items()}
    for cut in cuts:
        loss, found = _loss(run, state, cut, source=source)
        torch.autograd.backward(loss * cut.weight)
        parts = {name: parts.get(name, 0) + value * cut.weight for name, value in found.items()}
        running.take(cut.weight)
    gradient = optimizer.gradient()
    run.world.add_up([gradient, *(parts[name] for name in sorted(parts)), *running.means])
    running.close()
    return gradient, parts


def _loss(run: Run, state: RunState, cut: Cut, *, source: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    # Every share takes its rows of the same draw for all cells of the step.
    reseed(source, STEP_NOISE, run.training.seed, state.step)
    return objective(
        run.module,
        cut.data.batch(cut.rows),
        Noise(source, cut.span, cut.n_all),
        penalties=list(run.penalties),
        weight=kl_weight(state.step, run.n_steps, training=run.training),
        free_bits=run.training.free_bits,
        label_strength=run.training.label_strength,
        share=state.step / run.n_steps,
    )


def _close_epoch(run: Run, state: RunState, modules: nn.Module) -> None:
    """Record the epoch, look at the held-out cells, and decide whether to go on; every process comes to the same figures."""
    n = run.batches.n_steps
    record: dict[str, float | int] = {"epoch": len(state.history) + 1, "step": state.step}
    record |= {name: float(value) / n for name, value in state.sums.items()}
    state.sums = {}
    if not math.isfinite(record["loss"]):
        problem = f"The loss is {record['loss']} in epoch {record['epoch']}."
        raise FitError(problem, cure="Lower learning_rate, or set clip_norm, such as 100.")
    # Unlike processors round differently; the weights do not drift apart for longer than an epoch.
    run.world.follow(modules.parameters())
    if len(run.held_rows):
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
