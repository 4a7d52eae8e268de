"""Scores for predictions made anywhere, beside baselines fitted on the training rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.effects import default_baselines
from perturbridge.errors import DataError
from perturbridge.evaluation import score
from perturbridge.screens import read_prediction
from perturbridge.values import ScoreTable, as_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.values import Effects, PerturbationName, Prediction

__all__ = ["evaluate", "read_predictions"]


def read_predictions(paths: Sequence[str | Path]) -> list[Prediction]:
    """Read prediction files; a model named twice is told apart by its file.

    Raises
    ------
    DataError
        If a file is no prediction.
    """
    predictions = [read_prediction(path) for path in paths]
    names = [p.model for p in predictions]
    return [
        replace(p, model=f"{p.model} ({Path(path).name})") if names.count(p.model) > 1 else p
        for p, path in zip(predictions, paths, strict=True)
    ]


def evaluate(
    predictions: Sequence[Prediction],
    effects: Effects,
    *,
    train: Sequence[str | PerturbationName] | None = None,
    seed: int = 0,
) -> ScoreTable:
    """Score predictions against measured effects, beside the baselines that need no embedding.

    Parameters
    ----------
    predictions
        One per model, all of the same perturbations.
    effects
        Measured effects, tested and training perturbations alike.
    train
        What the models were trained on; default: every measured perturbation that is not predicted.
    seed
        Draws what a baseline draws.

    Raises
    ------
    DataError
        If the models predict different perturbations, or none is left to train on.
    LeakageError
        If a predicted perturbation is among the training ones.
    """
    if not predictions:
        problem = "There is no prediction to evaluate."
        raise DataError(problem, cure="Pass at least one.")
    test = predictions[0].perturbations
    for other in predictions[1:]:
        apart = set(test) ^ set(other.perturbations)
        if apart:
            problem = f"{predictions[0].model!r} and {other.model!r} differ in {len(apart)} perturbations, the first is {min(apart)}."
            raise DataError(problem, cure="Score models on the same perturbations, or one at a time.")
    training = as_names(train) if train is not None else tuple(p for p in effects.perturbations if p not in set(test))
    if not training:
        problem = f"All {len(effects.perturbations)} measured perturbations are predicted, so none is left as training reference."
        raise DataError(problem, cure="Pass a run folder's split, or name the training perturbations with --train.")
    measured = effects.take(training)
    split_hash = predictions[0].split_hash
    tables = [score(p, effects, train=training, split_hash=split_hash) for p in predictions]
    for name, estimator in default_baselines((), seed=seed).items():
        baseline = replace(estimator.clone().fit(measured).predict(test), model=name)
        tables.append(score(baseline, effects, train=training, split_hash=split_hash))
    return ScoreTable.join(tables)
