"""From a screen to a fitted latent model."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from ._fitted import Fitted
from ._groupings import n_states
from ._noise import generator
from ._opening import make_dataset, screen_mark
from ._preparation import prepare
from .cells._table import GeneMap
from .cells._totals import totals
from .modules._vae import Vae
from .penalties._labels import Design
from .training._loop import Run, train
from .training._world import joined_world, resolve_device, resolve_low

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.values import Screen

    from ._preparation import Prepared, Request
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
    genes = GeneMap(None, screen.n_genes)
    module = Vae(
        ready.sizes,
        architecture=request.architecture,
        injection=request.injection,
        logged=screen.normalization.kind == "log1p",
        target_sum=screen.normalization.target_sum,
        source=generator(WEIGHTS, request.training.seed),
    )
    found = totals(screen.source, ready.chosen.seen, genes=genes)
    if request.architecture.library == "latent":
        context = ready.codes.context[ready.chosen.seen]
        module.library_prior = torch.from_numpy(found.library_prior(context, len(ready.contexts)))
    device = resolve_device(request.training.device)
    module.low = resolve_low(request.training.precision, device)
    module.to(device)
    with joined_world(device) as world:
        run = _run(screen, request, ready, module=module, world=world)
        state = train(run, progress=progress)
        # What is asked of a fitted model is answered in float32, whatever it was trained in.
        module.low = False
        context_z = context_means(run, len(ready.contexts))
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
    return Run(
        module=module,
        penalties=nn.ModuleList(cast("list[nn.Module]", built)).to(device),
        data=make_dataset(screen, chosen.train, codes=ready.codes, genes=genes, device=device, training=training),
        held=make_dataset(screen, chosen.held, codes=ready.codes, genes=genes, device=device),
        train_rows=chosen.train,
        held_rows=chosen.held,
        training=training,
        world=world,
        fingerprint=ready.fingerprint,
    )


@torch.no_grad()
def context_means(run: Run, n_contexts: int) -> NDArray[np.float32]:
    """Mean of the context columns of z over at most 10,000 cells of each context, 0 where there is none."""
    # Cells on disk are not read once more for this: those that are held out lie in memory.
    data, pool = (run.data, run.train_rows) if run.data.blocks is None else (run.held, run.held_rows)
    n = run.module.architecture.n_latent
    sums = np.zeros((n_contexts, run.module.architecture.n_dims - n))
    size = np.zeros(n_contexts)
    rows = np.concatenate([np.flatnonzero(data.codes.context[pool] == c)[:10_000] for c in range(n_contexts)])
    for start in range(0, len(rows) if sums.size else 0, 1024):
        batch = data.batch(pool[np.sort(rows)[start : start + 1024]])
        np.add.at(sums, batch.context.cpu().numpy(), run.module.encode(batch).mean[:, n:].cpu().numpy())
        np.add.at(size, batch.context.cpu().numpy(), 1)
    return np.asarray(sums / np.maximum(size, 1)[:, None], dtype=np.float32)
