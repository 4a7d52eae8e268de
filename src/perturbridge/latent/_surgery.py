"""New contexts for a fitted model: everything known stays, only what belongs to the new contexts is learned (scArches)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from perturbridge.errors import FitError, LeakageError

from ._encode import open_cells
from ._genes import match_genes
from ._groupings import codes_among, grouping, known_cells
from ._noise import generator
from ._opening import check_values, make_dataset
from ._rows import choose_rows
from .cells._own import OwnCells
from .cells._totals import totals
from .modules._layers import Norm
from .modules._vae import Sizes, Vae
from .training._device import resolve_low
from .training._loop import Run, train
from .training._world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from perturbridge.values import Screen, Split

    from ._fitted import Fitted
    from ._training import Training

__all__ = ["surgery"]


def surgery(
    fitted: Fitted,
    screen: Screen,
    *,
    training: Training,
    split: Split | None = None,
    fold: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Return a model that also knows the contexts of a screen; cells of known contexts are encoded and decoded as before.

    Raises
    ------
    FitError
        If the model has no contexts, or the screen has no new ones.
    LeakageError
        If the split is another than that of the fit.
    """
    check_values(screen, fitted.architecture)
    labels = grouping(screen, fitted.context_column or None)
    if labels is None:
        problem = "The model was fitted without contexts, so a screen cannot bring new ones."
        raise FitError(problem, cure="Encode the screen as it is, or fit a model with context=.")
    genes, findings = match_genes(fitted.genes, screen.genes)
    chosen = choose_rows(screen, split=split, fold=fold, validation=0.0, seed=training.seed)
    known_cells(labels, chosen.seen, role="context")
    if fitted.split_hash and chosen.split_hash and fitted.split_hash != chosen.split_hash:
        problem = f"The model was fitted under split {fitted.split_hash[:12]}…, surgery was asked for under {chosen.split_hash[:12]}…."
        raise LeakageError(problem, cure="Use the split of the fit, or none where the screens share no perturbation.")
    fresh = chosen.seen[codes_among(labels, fitted.contexts)[chosen.seen] < 0]
    new = tuple(labels.categories[c] for c in np.unique(labels.codes[fresh]))
    if len(fresh) < 2:
        problem = f"{len(fresh)} cells of this screen are in a context that the model does not know."
        raise FitError(problem, cure="Encode the screen as it is.")
    module = _extended(fitted, len(new), seed=training.seed)
    found = totals(screen.source, fresh, genes=genes)
    wider = replace(fitted, module=module, contexts=(*fitted.contexts, *new), context_z=_wider(fitted, len(new)))
    codes = open_cells(wider, screen, rows=fresh, needs_context=True).codes
    if module.library is not None:
        own = torch.from_numpy(found.library_prior(codes.context[fresh], len(wider.contexts)))
        prior = torch.as_tensor(module.library_prior)
        prior[len(fitted.contexts) :] = own[len(fitted.contexts) :].to(prior.device)
    held, learned = _divide(fresh, training)
    device = next(module.parameters()).device
    read, world = partial(make_dataset, screen, codes=codes, genes=genes, device=device), World(device=device)
    run = Run(
        module=module,
        penalties=nn.ModuleList(),
        cells=OwnCells(
            learned,
            n_cells=screen.n_cells,
            batch_size=training.batch_size,
            blocks=None,
            stretch=world.stretch,
            read=read,
        ),
        held=read(held),
        held_rows=held,
        training=replace(training, weight_decay=0.0, checkpoint=None, stream=False),
        world=world,
        fingerprint="",
    )
    module.low = resolve_low(training.precision, device)
    state = train(run, progress=progress)
    module.low = False
    return replace(
        wider,
        n_reference=fitted.n_reference,
        history=(*fitted.history, *state.history),
        findings=(*fitted.findings, *findings, *found.findings(counts=not fitted.logged)),
        # Rows seen are rows of the first screen; of this one nothing is claimed.
        split_hash=fitted.split_hash if not chosen.split_hash else chosen.split_hash,
    )


def _divide(rows: NDArray[np.int64], training: Training) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shuffled = np.random.default_rng((training.seed, 1)).permutation(rows)
    n_held = min(int(training.validation * len(rows)), len(rows) - 2)
    return np.sort(shuffled[:n_held]), np.sort(shuffled[n_held:])


def _wider(fitted: Fitted, n_new: int) -> NDArray[np.float32]:
    means = np.repeat(fitted.context_z.mean(axis=0, keepdims=True), n_new, axis=0)
    return np.concatenate([fitted.context_z, means]).astype(np.float32)


def _extended(fitted: Fitted, n_new: int, *, seed: int) -> Vae:
    """Copy a model with rows for new contexts, which start at the mean of the known ones and alone can be learned."""
    module = Vae(
        Sizes(
            n_genes=len(fitted.genes),
            n_contexts=len(fitted.contexts) + n_new,
            n_condition=0 if fitted.conditions is None else fitted.conditions.table.shape[1],
            n_labels=len(fitted.labels),
        ),
        architecture=fitted.architecture,
        injection=fitted.injection,
        logged=fitted.logged,
        target_sum=fitted.target_sum,
        source=generator(0, seed),
    )
    old = fitted.module.state_dict()
    weights = {}
    for name, value in module.state_dict().items():
        known = old[name]
        extra = len(value) - len(known) if value.ndim else 0
        weights[name] = torch.cat([known, known.mean(0, keepdim=True).expand(extra, -1)]) if extra else known
    module.load_state_dict(weights)
    module.to(next(fitted.module.parameters()).device)
    for name, parameter in module.named_parameters():
        n_known = len(old[name])
        if len(parameter) == n_known:
            parameter.requires_grad = False
        else:
            parameter.register_hook(_only_after(n_known))  # type: ignore[no-untyped-call]
    for part in module.modules():
        if isinstance(part, Norm):
            part.is_frozen = True
    return module


def _only_after(n_known: int) -> Callable[[Tensor], Tensor]:
    def hide(gradient: Tensor) -> Tensor:
        kept = gradient.clone()
        kept[:n_known] = 0
        return kept

    return hide
