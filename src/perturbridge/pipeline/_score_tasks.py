"""Scores of several models on the same perturbations, in tasks that any worker can take: one model each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from perturbridge.effects import default_baselines
from perturbridge.evaluation import Scorer

from ._duplicate import score_duplicate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.evaluation import Contrast, PredictedCells
    from perturbridge.values import Effects, PerturbationName, Prediction, ScoreTable

__all__ = ["Panel", "ScoreTask", "Scored", "do_score_task", "score_tasks"]

# What is asked again with the target genes kept in, to say whether they alone make the score.
_ASKED_TWICE = ("pearson_delta", "pds_cosine")


@dataclass(frozen=True, kw_only=True)
class ScoreTask:
    """What to score.

    Parameters
    ----------
    kind
        A candidate, a baseline, or the technical duplicate.
    candidate, baseline
        Which candidate, which baseline.
    """

    kind: Literal["candidate", "baseline", "duplicate"]
    candidate: int = -1
    baseline: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored:
    """What a task came to.

    Parameters
    ----------
    table
        The scores; None for a duplicate that cannot be scored.
    with_targets
        Of a candidate: two of its scores with the target genes kept in, None where neither was asked for.
    """

    table: ScoreTable | None
    with_targets: ScoreTable | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """What all tasks share.

    Parameters
    ----------
    effects
        All that was measured.
    test, training
        Perturbations that are scored, and those the baselines learn from.
    candidates
        Predictions with what their cells add.
    metrics, contrast, halves, split_hash, seed
        As in `evaluate_candidates`.
    """

    effects: Effects
    test: tuple[PerturbationName, ...]
    training: tuple[PerturbationName, ...]
    candidates: tuple[tuple[Prediction, PredictedCells | None], ...]
    metrics: tuple[str, ...] | None
    contrast: Contrast | None
    halves: tuple[Effects, Effects] | None
    split_hash: str
    seed: int
    _kept: dict[bool, Scorer] = field(default_factory=dict)

    def scorer(self, *, exclude_targets: bool = True) -> Scorer:
        """Return what scores these perturbations; prepared once where the tasks run."""
        if exclude_targets not in self._kept:
            self._kept[exclude_targets] = Scorer(
                self.effects,
                self.test,
                train=self.training or None,
                exclude_targets=exclude_targets,
                contrast=self.contrast if exclude_targets else None,
            )
        return self._kept[exclude_targets]


def score_tasks(panel: Panel) -> list[ScoreTask]:
    """Return the tasks in the order of the score table: candidates, baselines where training rows are known, the duplicate."""
    tasks = [ScoreTask(kind="candidate", candidate=i) for i in range(len(panel.candidates))]
    names = default_baselines((), seed=panel.seed) if panel.training else ()
    tasks += [ScoreTask(kind="baseline", baseline=name) for name in names]
    return tasks + ([ScoreTask(kind="duplicate")] if panel.halves is not None else [])


def do_score_task(task: ScoreTask, panel: Panel) -> Scored:
    """Score one model; a baseline is fitted first."""
    if task.kind == "candidate":
        return _candidate(*panel.candidates[task.candidate], panel=panel)
    if task.kind == "baseline":
        estimator = default_baselines((), seed=panel.seed)[task.baseline].clone()
        prediction = estimator.fit(panel.effects.take(panel.training)).predict(panel.test)
        named = replace(prediction, model=task.baseline)
        return Scored(table=panel.scorer().score(named, metrics=panel.metrics, split_hash=panel.split_hash))
    halves = panel.halves
    twin = None if halves is None else _twin(halves, panel)
    return Scored(table=twin)


def _candidate(prediction: Prediction, cells: PredictedCells | None, *, panel: Panel) -> Scored:
    table = panel.scorer().score(prediction, metrics=panel.metrics, split_hash=panel.split_hash, cells=cells)
    known = set(table.metric.tolist())
    asked: Sequence[str] = [name for name in _ASKED_TWICE if name in known]
    if not asked:
        return Scored(table=table)
    kept = panel.scorer(exclude_targets=False)
    return Scored(table=table, with_targets=kept.score(prediction, metrics=asked, split_hash=panel.split_hash))


def _twin(halves: tuple[Effects, Effects], panel: Panel) -> ScoreTable | None:
    return score_duplicate(
        halves, panel.test, train=panel.training or None, metrics=panel.metrics, split_hash=panel.split_hash
    )
