"""From a screen to a fitted latent model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from ._fitted import Fitted
from ._groupings import n_states
from ._noise import generator
from ._opening import blocks_of, make_dataset, screen_mark
from ._preparation import prepare
from .cells._deal import owners
from .cells._own import OwnCells
from .cells._table import GeneMap
from .cells._totals import Totals, totals
from .modules._vae import Vae
from .penalties._labels import Design
from .training._device import resolve_device, resolve_low
from .training._joining import joined_world
from .training._loop import Run, train
from .training._watch import own_held

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.values import Screen

    from ._preparation import Prepared, Request
    from ._training import Training
    from .training._world import World

__all__ = ["fit"]

# First members of the seed tuples; the training loop uses 1 and 2.
WEIGHTS, PENALTIES = 3, 4


def fit(screen: Screen, request: Request, *, progress: Callable[[int, int], None] | None = None) -> Fitted:
    """Train a model on the training rows of a screen.

    Raises
    ------
    FitError
        If the values do not fit the likelihood, cells lack a label, or training fails.
    """
    ready = prepare(screen, request)
    module = Vae(
        ready.sizes,
        architecture=request.architecture,
        injection=request.injection,
        logged=screen.normalization.kind == "log1p",
        target_sum=screen.normalization.target_sum,
        source=generator(WEIGHTS, request.training.seed),
    )
    device = resolve_device(request.training.device)
    module.low = resolve_low(request.training.precision, device)
    with joined_world(device, checkpoint=request.training.checkpoint) as world:
        world.check_alike(ready.fingerprint)
        found = _totals(screen, ready.chosen.seen, training=request.training, world=world)
        if request.architecture.library == "latent":
            context = ready.codes.context[ready.chosen.seen]
            module.library_prior = torch.from_numpy(found.library_prior(context, len(ready.contexts)))
        module.to(device)
        run = _run(screen, request, ready, module=module, world=world)
        state = train(run, progress=progress)
        # What is asked of a fitted model is answered in float32, whatever it was trained in.
        module.low = False
        context_z = context_means(run, state.shares, n_contexts=len(ready.contexts))
    return Fitted(
        module=module,
        architecture=request.architecture,
        genes=screen.genes,
        contexts=ready.contexts,
        context_column=ready.context_column,
        n_reference=len(ready.contexts),
        logged=module.logged,
        target_sum=module.target_sum,
        injection=request.injection,
        conditions=ready.conditions,
        labels=ready.labels,
        label_column=ready.label_column,
        context_z=context_z,
        split_hash=ready.chosen.split_hash,
        seen=ready.chosen.seen,
        screen_mark=screen_mark(screen),
        penalties=tuple(spec.as_json() for spec in request.penalties),
        history=tuple(state.history),
        settings=request.training.as_json(),
        findings=found.findings(counts=not module.logged),
    )


def _totals(screen: Screen, rows: NDArray[np.int64], *, training: Training, world: World) -> Totals:
    """Sums of all cells of the fit, of which each process reads its own."""
    genes = GeneMap(None, screen.n_genes)
    if world.size == 1:
        return totals(screen.source, rows, genes=genes)
    own = owners(rows, world.size, n_cells=screen.n_cells, blocks=blocks_of(training)) == world.rank
    found = totals(screen.source, rows[own], genes=genes)
    library, fractional = torch.zeros(2, len(rows), dtype=torch.float64, device=world.device)
    mine = torch.from_numpy(np.flatnonzero(own)).to(world.device)
    library[mine] = torch.from_numpy(found.library).to(world.device)
    fractional[mine] = torch.from_numpy(found.fractional).to(world.device, torch.float64)
    # Each entry is a number of one process and zeros of the others: the sum is exact.
    world.add_up([library, fractional])
    return Totals(rows, library.cpu().numpy(), fractional.cpu().numpy() > 0)


def _run(screen: Screen, request: Request, ready: Prepared, *, module: Vae, world: World) -> Run:
    architecture, training, chosen = request.architecture, request.training, ready.chosen
    device = module.log_theta.device
    genes = GeneMap(None, screen.n_genes)
    design = Design(
        context=ready.codes.context[chosen.train],
        stratum=ready.codes.stratum[chosen.train],
        n_contexts=len(ready.contexts),
        n_states=n_states(screen),
    )
    built = [
        spec.build(
            n_bio=architecture.n_latent,
            n_context_dims=architecture.n_latent_context,
            design=design,
            source=generator(PENALTIES, training.seed, i),
        )
        for i, spec in enumerate(request.penalties)
    ]
    read = partial(make_dataset, screen, codes=ready.codes, genes=genes, device=device)
    return Run(
        module=module,
        penalties=nn.ModuleList(cast("list[nn.Module]", built)).to(device),
        cells=OwnCells(
            chosen.train,
            n_cells=screen.n_cells,
            batch_size=training.batch_size,
            blocks=blocks_of(training),
            stretch=world.stretch,
            read=partial(read, training=training),
        ),
        held=read(chosen.held[own_held(len(chosen.held), world)]),
        held_rows=chosen.held,
        training=training,
        world=world,
        fingerprint=ready.fingerprint,
    )


@torch.no_grad()
def context_means(run: Run, n_shares: int, *, n_contexts: int) -> NDArray[np.float32]:
    """Mean of the context columns of z over at most 10,000 cells of each context, 0 where there is none; each process encodes its own cells."""
    n = run.module.architecture.n_latent
    sums = np.zeros((n_contexts, run.module.architecture.n_dims - n))
    size = np.zeros(n_contexts)
    if not sums.size:
        return np.zeros(sums.shape, dtype=np.float32)
    # Cells on disk are not read once more for this: those that are held out lie in memory.
    in_memory = run.cells.blocks is None
    pool = run.cells.rows if in_memory else run.held_rows
    context = run.held.codes.context[pool]
    chosen = pool[np.sort(np.concatenate([np.flatnonzero(context == c)[:10_000] for c in range(n_contexts)]))]
    own = [(run.held, run.held_rows[own_held(len(run.held_rows), run.world)])]
    if in_memory:
        own = [(share.data, share.rows) for share in run.cells.shares(n_shares)]
    for data, held in own:
        rows = np.intersect1d(chosen, held, assume_unique=True)
        for start in range(0, len(rows), 1024):
            batch = data.batch(rows[start : start + 1024])
            np.add.at(sums, batch.context.cpu().numpy(), run.module.encode(batch).mean[:, n:].cpu().numpy())
            np.add.at(size, batch.context.cpu().numpy(), 1)
    added = torch.from_numpy(sums).to(run.world.device), torch.from_numpy(size).to(run.world.device)
    run.world.add_up(added)
    return (added[0] / added[1].clamp_min(1).unsqueeze(1)).float().cpu().numpy()
