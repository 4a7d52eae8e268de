"""From a screen to a fitted latent model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from perturbridge.errors import FitError

from ._conditions import make_conditions
from ._fitted import Fitted
from ._groupings import codes_among, grouping, known_cells, strata
from ._noise import generator
from ._rows import choose_rows
from .cells._dataset import Codes, Dataset
from .cells._memory import load_rows
from .cells._order import Blocks
from .cells._stream import StreamReader
from .cells._table import GeneMap
from .cells._totals import totals
from .modules._vae import Sizes, Vae
from .training._loop import Run, train
from .training._world import joined_world, resolve_device, resolve_low

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import GeneEmbedding, Labels, Screen, Split

    from ._architecture import Architecture
    from ._rows import Chosen
    from ._training import Training
    from .injection._interface import InjectionSpec
    from .penalties._interface import PenaltySpec

__all__ = ["Request", "fit", "make_dataset", "screen_mark"]

# First members of the seed tuples; the training loop uses 1 and 2.
WEIGHTS, PENALTIES = 3, 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """What a fit is asked for.

    Parameters
    ----------
    context
        Grouping the decoder is told.
    architecture, training, penalties, injection
        Settings.
    labels
        Grouping known for some cells, for semi-supervision.
    split, fold, rows
        See `choose_rows`.
    embedding
        Vectors of the perturbed genes, for the injection.
    """

    context: str | None
    architecture: Architecture
    training: Training
    penalties: Sequence[PenaltySpec] = ()
    injection: InjectionSpec | None = None
    labels: str | None = None
    split: Split | None = None
    fold: str | None = None
    rows: ArrayLike | None = None
    embedding: GeneEmbedding | None = None


def fit(screen: Screen, request: Request, *, progress: Callable[[int, int], None] | None = None) -> Fitted:
    """Train a model on the training rows of a screen.

    Raises
    ------
    FitError
        If the values do not fit the likelihood, cells lack a label, or training fails.
    """
    training, architecture = request.training, request.architecture
    check_values(screen, architecture)
    chosen = choose_rows(
        screen,
        split=request.split,
        fold=request.fold,
        rows=request.rows,
        validation=training.validation,
        seed=training.seed,
    )
    labels = grouping(screen, request.context)
    known_cells(labels, chosen.seen, role="context")
    contexts = used_contexts(labels, chosen.seen)
    told = grouping(screen, request.labels)
    names = () if told is None else used_contexts(told, chosen.seen[told.codes[chosen.seen] >= 0])
    conditions = make_conditions(screen, request.embedding, wanted=request.injection is not None)
    codes = Codes(
        context=np.zeros(screen.n_cells, dtype=np.int64) if labels is None else codes_among(labels, contexts),
        stratum=strata(screen),
        label=np.full(screen.n_cells, -1, dtype=np.int64) if told is None else codes_among(told, names),
        condition=np.asarray(screen.perturbation_codes, dtype=np.int64) + 1,
        condition_table=None if conditions is None else conditions.table,
    )
    device = resolve_device(training.device)
    genes = GeneMap(None, screen.n_genes)
    module = Vae(
        Sizes(
            n_genes=screen.n_genes,
            n_contexts=len(contexts),
            n_condition=0 if conditions is None else conditions.table.shape[1],
            n_labels=len(names),
        ),
        architecture=architecture,
        injection=request.injection,
        logged=screen.normalization.kind == "log1p",
        target_sum=screen.normalization.target_sum,
        source=generator(WEIGHTS, training.seed),
    )
    found = totals(screen.source, chosen.seen, genes=genes)
    if architecture.library == "latent":
        module.library_prior = torch.from_numpy(found.library_prior(codes.context[chosen.seen], len(contexts)))
    module.low = resolve_low(training.precision, device)
    built = [
        spec.build(
            n_bio=architecture.n_latent,
            n_context_dims=architecture.n_latent_context,
            n_contexts=len(contexts),
            source=generator(PENALTIES, training.seed, i),
        )
        for i, spec in enumerate(request.penalties)
    ]
    with joined_world(device) as world:
        run = Run(
            module=module.to(device),
            penalties=nn.ModuleList(cast("list[nn.Module]", built)).to(device),
            data=make_dataset(screen, chosen.train, codes=codes, genes=genes, device=device, training=training),
            held=make_dataset(screen, chosen.held, codes=codes, genes=genes, device=device),
            train_rows=chosen.train,
            held_rows=chosen.held,
            training=training,
            world=world,
            fingerprint=_fingerprint(screen, chosen, request),
        )
        state = train(run, progress=progress)
        context_z = context_means(run, len(contexts))
    return Fitted(
        module=module,
        architecture=architecture,
        genes=screen.genes,
        contexts=contexts,
        context_column="" if labels is None else labels.column,
        n_reference=len(contexts),
        logged=module.logged,
        target_sum=module.target_sum,
        injection=request.injection,
        conditions=conditions,
        labels=names,
        label_column="" if told is None else told.column,
        context_z=context_z,
        split_hash=chosen.split_hash,
        seen=chosen.seen,
        screen_mark=screen_mark(screen),
        history=tuple(state.history),
        settings=training.as_json(),
        findings=found.findings(counts=not module.logged),
    )


def check_values(screen: Screen, architecture: Architecture) -> None:
    """Check that a count likelihood gets counts.

    Raises
    ------
    FitError
        If it gets log1p values.
    """
    if architecture.likelihood != "gaussian" and screen.normalization.kind != "counts":
        problem = (
            f"Likelihood {architecture.likelihood!r} needs counts; {screen.normalization.place} holds log1p values."
        )
        raise FitError(problem, cure="Read the screen with place='layers/counts' or the like, or use 'gaussian'.")


def used_contexts(labels: Labels | None, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Names of the contexts of some cells, sorted; one empty name without a grouping."""
    if labels is None:
        return ("",)
    return tuple(labels.categories[i] for i in np.unique(labels.codes[rows]))


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


def make_dataset(
    screen: Screen,
    rows: NDArray[np.int64],
    *,
    codes: Codes,
    genes: GeneMap,
    device: torch.device,
    training: Training | None = None,
) -> Dataset:
    """Cells in memory, or on disk where the training settings say so."""
    if training is None or not training.stream:
        reader = load_rows(screen.source, rows, genes=genes, device=device)
        return Dataset(reader=reader, codes=codes, device=device)
    blocks = Blocks(training.block_rows, max(training.shuffle_rows // training.block_rows, 1))
    stream = StreamReader(screen.source, rows, genes=genes, device=device)
    return Dataset(reader=stream, codes=codes, device=device, blocks=blocks)


def screen_mark(screen: Screen) -> str:
    """A mark by which rows of the same screen are known again: its shape, genes and perturbations."""
    digest = hashlib.sha256(json.dumps([list(screen.source.shape), list(screen.genes)]).encode())
    digest.update("\n".join(str(name) for name in screen.perturbations).encode())
    digest.update(np.ascontiguousarray(screen.perturbation_codes).data)
    return digest.hexdigest()


def _fingerprint(screen: Screen, chosen: Chosen, request: Request) -> str:
    about = {
        "architecture": request.architecture.as_json(),
        "training": {k: v for k, v in request.training.as_json().items() if k not in ("device", "checkpoint_steps")},
        "penalties": [spec.as_json() for spec in request.penalties],
        "injection": None if request.injection is None else request.injection.as_json(),
        "embedding": None if request.embedding is None else request.embedding.card.sha256,
        "context": request.context,
        "screen": screen_mark(screen),
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update(chosen.train.data)
    return digest.hexdigest()
