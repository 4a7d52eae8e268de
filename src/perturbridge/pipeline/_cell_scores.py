"""Two levels on the same held-out perturbations: profiles from the ridge, from cells, and stacked; predicted cells beside real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.evaluation import Scorer, compare, summarize
from perturbridge.screens import make_split
from perturbridge.values import Prediction, ScoreTable
from perturbridge.workers import map_alike

from ._cell_distances import cell_distances
from ._summary import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.effects import EffectModel
    from perturbridge.values import Effects, Fold, PerturbationName

    from ._cell_level import CellLevel
    from ._cross_validate import CrossValidation

__all__ = ["CELLS", "STACKED", "LevelComparison", "compare_levels"]

CELLS, STACKED = "cells", "stacked"
_INNER_FOLDS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelComparison:
    """What the cell level adds to the ridge.

    Parameters
    ----------
    scores
        Of every model on the test perturbations of the fold.
    summary, comparison
        Means with intervals; paired differences of `"cells"` and `"stacked"` from the ridge.
    weight, weight_se
        Weight of the cell level in the stack, and its standard error by leaving training perturbations out; 0 where it did not help.
    stacked
        (1 − weight) · ridge + weight · cells.
    distances
        One record per test perturbation: energy distance and MMD² of its real cells to controls as they are, to controls moved by the mean
        displacement of the training perturbations, and to the predicted cells.
    ratio
        For `"energy"` and `"mmd"`, Σ over perturbations over that of no change, of `"mean shift"` and `"predicted"`, each with a 95 %
        bootstrap interval.
    """

    scores: ScoreTable
    summary: list[dict[str, Any]]
    comparison: list[dict[str, Any]]
    weight: float
    weight_se: float
    stacked: Prediction
    distances: list[dict[str, Any]]
    ratio: dict[str, dict[str, dict[str, float]]]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "summary": self.summary,
            "comparison": self.comparison,
            "weight": self.weight,
            "weight_se": self.weight_se,
            "distances": self.distances,
            "ratio": self.ratio,
        }


def compare_levels(
    level: CellLevel,
    model: EffectModel,
    effects: Effects,
    *,
    validation: CrossValidation,
    seed: int = 0,
    client: object = None,
) -> LevelComparison | None:
    """Score both levels on the fold the cell level did not see; None where it has no profiles.

    Parameters
    ----------
    level
        The cell level.
    model
        Settings of the ridge, fitted anew on training rows to find the weight of the stack.
    effects
        What was measured.
    validation
        Scores of the ridge and its baselines.
    seed
        Draws inner folds, cells and the bootstrap.
    client
        Workers that fit the inner folds and compare cells, as in `as_workers`.
    """
    if level.held_out is None or level.crossed is None:
        return None
    fold = next(fold for fold in validation.split.folds if fold.name == level.fold)
    cells = _on_genes(level.held_out, effects)
    ridge = _rows(validation.predictions[fold.name], cells.perturbations)
    weight, error = _stack_weight(level.crossed, model, effects.take(fold.train), seed=seed, client=client)
    stacked = replace(
        cells, delta=(1.0 - weight) * ridge.delta + weight * cells.delta, model=STACKED, lower=None, upper=None
    )
    scorer = Scorer(effects, fold.test, train=fold.train)
    mine = [
        scorer.score(replace(p, model=name), fold=fold.name, split_hash=validation.split.hash)
        for name, p in ((CELLS, cells), (STACKED, stacked))
    ]
    scores = ScoreTable.join([_of_fold(validation.scores, fold.name), *mine])
    pairs = [compare(scores, model=name, baselines=[validation.model], seed=seed) for name in (CELLS, STACKED)]
    distances, ratio = cell_distances(level, cells.perturbations, seed=seed, client=client)
    return LevelComparison(
        scores=scores,
        summary=records(summarize(scores, seed=seed)),
        comparison=[row for pair in pairs for row in records(pair)],
        weight=weight,
        weight_se=error,
        stacked=stacked,
        distances=distances,
        ratio=ratio,
    )


def _of_fold(table: ScoreTable, fold: str) -> ScoreTable:
    kept = table.fold == fold
    return ScoreTable(**{name: column[kept] for name, column in table.columns().items()}, split_hash=table.split_hash)


def _on_genes(prediction: Prediction, effects: Effects) -> Prediction:
    """The same prediction over the genes of the effects, in their order; the latent was made of the same screen."""
    if prediction.genes == effects.genes:
        return prediction
    place = {gene: j for j, gene in enumerate(prediction.genes)}
    columns = [place[gene] for gene in effects.genes]
    lower, upper = (None if b is None else b[:, columns] for b in (prediction.lower, prediction.upper))
    return replace(prediction, genes=effects.genes, delta=prediction.delta[:, columns], lower=lower, upper=upper)


def _rows(prediction: Prediction, names: Sequence[PerturbationName]) -> Prediction:
    place = {name: i for i, name in enumerate(prediction.perturbations)}
    rows = [place[name] for name in names]
    return Prediction(
        perturbations=tuple(names),
        genes=prediction.genes,
        delta=prediction.delta[rows],
        status=tuple(prediction.status[i] for i in rows),
        detail=tuple(prediction.detail[i] for i in rows),
        model=prediction.model,
        split_hash=prediction.split_hash,
    )


def _inner_prediction(fold: Fold, shared: tuple[EffectModel, Effects]) -> Prediction:
    model, train = shared
    return model.clone().fit(train.take(fold.train)).predict(fold.test)


def _stack_weight(
    crossed: Prediction, model: EffectModel, train: Effects, *, seed: int, client: object = None
) -> tuple[float, float]:
    """W = ⟨y − r, c − r⟩ / ‖c − r‖² over training perturbations in [0, 1], r and c each predicted without having seen y; 0 within its error.

    The standard error is a jackknife over perturbations.
    """
    inner = make_split(train, kind="perturbation", folds=_INNER_FOLDS, seed=seed)
    ridge: dict[PerturbationName, NDArray[np.float64]] = {}
    for done in map_alike(client, _inner_prediction, inner.folds, shared=(model, train)):
        ridge |= dict(zip(done.perturbations, done.delta, strict=True))
    cells = _on_genes(crossed, train)
    names = [name for name in cells.perturbations if name in ridge]
    place = {name: i for i, name in enumerate(cells.perturbations)}
    y = train.delta[train.rows(names)]
    r = np.stack([ridge[name] for name in names])
    gap = cells.delta[[place[name] for name in names]] - r
    up, down = np.einsum("ij,ij->i", y - r, gap), np.einsum("ij,ij->i", gap, gap)
    if not down.sum() > 0 or len(names) < 3:
        return 0.0, float("nan")
    weight = up.sum() / down.sum()
    without = (up.sum() - up) / np.maximum(down.sum() - down, 1e-300)
    n = len(names)
    error = float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    return (float(np.clip(weight, 0.0, 1.0)) if weight > error else 0.0), error
