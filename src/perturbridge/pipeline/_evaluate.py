"""Scores for predictions made anywhere, beside baselines fitted on the training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.errors import DataError
from perturbridge.evaluation import (
    DUPLICATE,
    HEADLINE,
    METRICS,
    calibrate,
    compare,
    headline,
    referee,
    summarize,
    targets_drive,
)
from perturbridge.screens import read_prediction
from perturbridge.values import Finding, ScoreTable, as_names
from perturbridge.workers import as_workers, map_alike

from ._candidates import Candidate
from ._score_tasks import Panel, do_score_task, score_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from perturbridge.evaluation import Contrast
    from perturbridge.values import Effects, PerturbationName, Prediction

__all__ = ["Evaluation", "evaluate", "evaluate_candidates", "read_predictions", "told_apart"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Scores of one or more models and of the baselines on the same perturbations.

    Parameters
    ----------
    models
        Names of the models under test.
    scores
        Long table over all of them, the baselines and, where there is one, the technical duplicate.
    baselines
        Names of the baselines; empty where no training perturbation is known.
    findings
        What was decided and noticed, with a referee's warnings.
    candidates
        What was scored.
    effects
        What was measured.
    seed
        Draws the bootstrap.
    workers
        Where it was computed, for the manifest.
    """

    models: tuple[str, ...]
    scores: ScoreTable
    baselines: tuple[str, ...]
    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    effects: Effects
    seed: int
    workers: str = ""

    def summary(self) -> pd.DataFrame:
        """Return mean and bootstrap interval for each model and metric."""
        return summarize(self.scores, seed=self.seed)

    def comparison(self) -> pd.DataFrame | None:
        """Return the paired difference of each model from its best baseline, corrected over all models; None without baselines."""
        if not self.baselines:
            return None
        return compare(self.scores, model=self.models, baselines=self.baselines, seed=self.seed)

    def headline(self) -> pd.DataFrame:
        """Return the headline metrics with skill: 0 is the best baseline, 1 what the data allow."""
        return headline(self.scores, baselines=self.baselines, metrics=self.shown, seed=self.seed)

    @property
    def shown(self) -> tuple[str, ...]:
        """The headline metrics, or the first four that were scored where none of them was."""
        scored = set(self.scores.metric.tolist())
        scores = [name for name, metric in METRICS.items() if name in scored and metric.is_score]
        return tuple(name for name in HEADLINE if name in scored) or tuple(scores[:4])

    def calibration(self) -> pd.DataFrame | None:
        """Return what chance, the training mean, a technical duplicate and a perfect prediction score; None without a duplicate."""
        if not {DUPLICATE, "mean"} <= set(self.scores.model.tolist()):
            return None
        return calibrate(self.scores, negative="mean", seed=self.seed)


def read_predictions(paths: Sequence[str | Path]) -> list[Prediction]:
    """Read prediction files of ours; a model named twice is told apart by its file.

    Raises
    ------
    DataError
        If a file is no prediction.
    """
    found = told_apart([Candidate(prediction=read_prediction(path)) for path in paths], paths)
    return [candidate.prediction for candidate in found]


def told_apart(candidates: Sequence[Candidate], paths: Sequence[str | Path]) -> list[Candidate]:
    """Return the candidates under names of their own: a name that several bear is followed by the file."""
    names = [candidate.prediction.model for candidate in candidates]
    return [
        replace(c, prediction=replace(c.prediction, model=f"{c.prediction.model} ({Path(path).name})"))
        if names.count(c.prediction.model) > 1
        else c
        for c, path in zip(candidates, paths, strict=True)
    ]


def evaluate(
    predictions: Sequence[Prediction],
    effects: Effects,
    *,
    train: Sequence[str | PerturbationName] | None = None,
    seed: int = 0,
    client: object = None,
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
    client
        As in `evaluate_candidates`.

    Raises
    ------
    DataError
        If the models predict different perturbations, or none is left to train on.
    LeakageError
        If a predicted perturbation is among the training ones.
    """
    test = set(predictions[0].perturbations) if predictions else set()
    if train is None and test and not set(effects.perturbations) - test:
        problem = f"All {len(effects.perturbations)} measured perturbations are predicted, so none is left as training reference."
        raise DataError(problem, cure="Pass a run folder's split, or name the training perturbations with --train.")
    candidates = [Candidate(prediction=prediction) for prediction in predictions]
    return evaluate_candidates(candidates, effects, train=train, seed=seed, client=client).scores


def evaluate_candidates(  # noqa: PLR0913 one keyword for each thing that decides what is scored
    candidates: Sequence[Candidate],
    effects: Effects,
    *,
    train: Sequence[str | PerturbationName] | None = None,
    metrics: Sequence[str] | None = None,
    halves: tuple[Effects, Effects] | None = None,
    contrast: Contrast | None = None,
    seed: int = 0,
    client: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score predictions with the cells behind them, beside baselines, a technical duplicate and a referee's questions.

    Parameters
    ----------
    candidates
        One per model, all of the same perturbations.
    effects
        Measured effects, tested and training perturbations alike.
    train
        What the models were trained on; default: every measured perturbation that is not predicted. Where all are predicted, what
        needs training rows is left out, with a finding.
    metrics
        Names; default all.
    halves
        Effects of two halves of the cells, for the technical duplicate.
    contrast
        Differential expression of the predicted perturbations, in the order of the first candidate; default: Welch's test.
    seed
        Draws what a baseline and the bootstrap draw.
    client
        A `dask.distributed.Client` or an executor to spread the models over, baselines and duplicate included, one to a task; default this
        process. Scores are the same to the last bit.
    progress
        Called with models scored and in all.

    Raises
    ------
    DataError
        If there is nothing to score, or the models predict different perturbations.
    LeakageError
        If a predicted perturbation is among the training ones.
    """
    test = _same_perturbations([candidate.prediction for candidate in candidates])
    training = as_names(train) if train is not None else tuple(p for p in effects.perturbations if p not in set(test))
    panel = Panel(
        effects=effects,
        test=test,
        training=tuple(training),
        candidates=tuple((c.prediction, c.cells) for c in candidates),
        metrics=None if metrics is None else tuple(metrics),
        contrast=contrast,
        halves=halves,
        split_hash=candidates[0].prediction.split_hash,
        seed=seed,
    )
    tasks, workers = score_tasks(panel), as_workers(client)
    scored = map_alike(workers, do_score_task, tasks, shared=panel, progress=progress)
    scores = ScoreTable.join([one.table for one in scored if one.table is not None])
    findings = [finding for candidate in candidates for finding in candidate.findings]
    if not training:
        findings.append(_without_training(len(test)))
    for candidate, one in zip(candidates, scored, strict=False):
        name, whole = candidate.prediction.model, one.with_targets
        findings += referee(scores, model=name, prediction=candidate.prediction)
        if whole is not None and one.table is not None:
            asked = [str(metric) for metric in dict.fromkeys(whole.metric.tolist())]
            findings += targets_drive(whole, one.table, model=name, metrics=asked)
    return Evaluation(
        models=tuple(c.prediction.model for c in candidates),
        scores=scores,
        baselines=tuple(task.baseline for task in tasks if task.kind == "baseline"),
        findings=tuple(findings),
        candidates=tuple(candidates),
        effects=effects,
        seed=seed,
        workers=workers.description,
    )


def _same_perturbations(predictions: Sequence[Prediction]) -> tuple[PerturbationName, ...]:
    if not predictions:
        problem = "There is no prediction to evaluate."
        raise DataError(problem, cure="Pass at least one.")
    test = predictions[0].perturbations
    for other in predictions[1:]:
        apart = set(test) ^ set(other.perturbations)
        if apart:
            problem = f"{predictions[0].model!r} and {other.model!r} differ in {len(apart)} perturbations, the first is {min(apart)}."
            raise DataError(problem, cure="Score models on the same perturbations, or one at a time.")
    return test


def _without_training(n: int) -> Finding:
    message = (
        f"All {n} measured perturbations are predicted and no training perturbations were named, so there are no baselines, no skill and "
        "no scores against the mean of training perturbations. Baselines made from the scored perturbations themselves would be "
        "oracles; name the training perturbations with --train."
    )
    return Finding(level="warning", code="no_training", message=message, count=n)
