"""A technical duplicate: half of the cells of each perturbation as the prediction of the other half."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._rng import as_rng
from perturbridge.evaluation import DUPLICATE, METRICS, Scorer
from perturbridge.screens import pseudobulk
from perturbridge.values import UNASSIGNED_CODE, Effects, Prediction, ScoreTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName, Screen

__all__ = ["half_effects", "score_duplicate"]

Halves = tuple[Effects, Effects]


def half_effects(screen: Screen, *, seed: int, client: object = None) -> Halves:
    """Sum a random half of the cells of each perturbation and context, controls too, and the other half, apart.

    Parameters
    ----------
    screen
        The screen; it is read twice.
    seed
        Draws the halves.
    client
        Workers that read the cells, as in `pseudobulk`.
    """
    first = _half(screen, as_rng(seed))
    sides = (np.where(chosen, screen.perturbation_codes, UNASSIGNED_CODE) for chosen in (first, ~first))
    one, other = (
        pseudobulk(
            replace(screen, perturbation_codes=codes, other_controls=None, findings=()),
            min_cells=1,
            on_few="drop",
            client=client,
        )
        for codes in sides
    )
    return one, other


def _half(screen: Screen, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Every second cell of each perturbation and context, in a random order."""
    context = np.zeros(screen.n_cells, dtype=np.int64) if screen.context is None else screen.context.codes
    order = rng.permutation(screen.n_cells)
    order = order[np.lexsort((context[order], screen.perturbation_codes[order]))]
    codes, contexts = screen.perturbation_codes[order], context[order]
    new = np.r_[True, (np.diff(codes) != 0) | (np.diff(contexts) != 0)]
    start = np.flatnonzero(new)
    place = np.arange(len(order)) - np.repeat(start, np.diff(np.r_[start, len(order)]))
    # Groups of an odd number give their odd cell to either side in turn, so that no side is the larger one.
    turn = np.repeat(np.arange(len(start)) % 2, np.diff(np.r_[start, len(order)]))
    out = np.empty(len(order), dtype=np.bool_)
    out[order] = (place + turn) % 2 == 0
    return out


def score_duplicate(
    halves: Halves,
    perturbations: Sequence[PerturbationName],
    *,
    train: Sequence[PerturbationName] | Effects | None,
    fold: str = "",
    metrics: Sequence[str] | None = None,
    split_hash: str = "",
) -> ScoreTable | None:
    """Score one half of the cells as a prediction of the other; None where fewer than two perturbations have cells in both.

    Parameters
    ----------
    halves
        Effects of either half.
    perturbations
        Those the models are scored on; the ones with a single cell are left out.
    train
        Training perturbations, the reference of some metrics, from the second half; or effects of training cells.
    fold, metrics, split_hash
        As in `score`.
    """
    one, other = halves
    both = set(one.perturbations) & set(other.perturbations)
    names = tuple(name for name in perturbations if name in both)
    if len(names) < 2:
        return None
    rows = one.take(names)
    twin = Prediction(
        perturbations=names,
        genes=one.genes,
        delta=rows.delta,
        status=("predicted",) * len(names),
        detail=("",) * len(names),
        model=DUPLICATE,
    )
    wanted = tuple(metrics or METRICS)
    if isinstance(train, Effects):
        # Their mean holds the noise of neither half.
        return Scorer(other, names, train=train).score(twin, fold=fold, metrics=wanted, split_hash=split_hash)
    known = [name for name in train or () if name in both]
    scorer = Scorer(other, names, train=known or None)
    against_mean = [name for name in wanted if METRICS[name].reference == "training mean"]
    rest = [name for name in wanted if name not in against_mean]
    tables = [scorer.score(twin, fold=fold, metrics=rest, split_hash=split_hash)] if rest else []
    if against_mean:
        # Each half against the training mean of its own cells: one mean for both would make its noise look like knowledge.
        gap = _mean_of(other, known) - _mean_of(one, known) if known else np.zeros(len(one.genes))
        shifted = replace(twin, delta=twin.delta + gap)
        tables.append(scorer.score(shifted, fold=fold, metrics=against_mean, split_hash=split_hash))
    return ScoreTable.join(tables)


def _mean_of(effects: Effects, names: Sequence[PerturbationName]) -> NDArray[np.float64]:
    return np.asarray(effects.delta[effects.rows(names)].mean(axis=0), dtype=np.float64)
