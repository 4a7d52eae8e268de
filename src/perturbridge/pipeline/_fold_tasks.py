"""What one fold of a cross-validation does, in tasks that any worker can take: fit one model, predict, score."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from perturbridge.evaluation import DUPLICATE

from ._duplicate import score_duplicate
from ._held_out_cells import level_side, name_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perturbridge.effects import EffectModel, Estimator
    from perturbridge.evaluation import Scorer
    from perturbridge.values import Effects, Fold, Prediction, ScoreTable, Screen, Split

    from ._held_out_cells import Side

__all__ = ["FoldResult", "FoldTask", "Folds", "do_fold_task", "fold_tasks"]


@dataclass(frozen=True, kw_only=True)
class FoldTask:
    """Models to fit and score on one fold.

    Parameters
    ----------
    fold
        Which fold of the split.
    models
        Names; the one under test and the technical duplicate among them.
    """

    fold: int
    models: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldResult:
    """What a task came to.

    Parameters
    ----------
    tables
        Scores in the order of the task's models; a duplicate that cannot be scored has none.
    prediction, report
        Of the model under test, where it was among them.
    measured
        Effects of the test cells, beside the model under test where whole levels are held out.
    """

    tables: tuple[ScoreTable, ...]
    prediction: Prediction | None = None
    report: Mapping[str, object] | None = None
    measured: Effects | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Folds:
    """What all tasks share.

    Parameters
    ----------
    model, baselines
        The model under test, and its competitors by name.
    effects, halves
        All that was measured, and two halves of the cells for a technical duplicate.
    split
        The folds.
    screen
        Its cells, where the split holds out levels; None otherwise.
    min_cells, seed
        As in `cross_validate`.
    """

    model: EffectModel
    baselines: Mapping[str, Estimator]
    effects: Effects
    halves: tuple[Effects, Effects] | None
    split: Split
    screen: Screen | None
    min_cells: int
    seed: int
    _last: dict[str, tuple[int, Side, Scorer]] = field(default_factory=dict)

    def opened(self, i: int) -> tuple[Side, Scorer]:
        """Return the two sides of a fold and what scores it; those of the last fold are kept for the next model."""
        kept = self._last.get("fold")
        if kept is None or kept[0] != i:
            fold = self.split.folds[i]
            if self.screen is None:
                side = name_side(self.effects, fold, halves=self.halves)
            else:
                side = level_side(self.screen, self.split, fold, min_cells=self.min_cells, seed=self.seed)
            kept = self._last["fold"] = (i, side, side.scorer(fold))
        return kept[1], kept[2]


def fold_tasks(folds: Folds, *, together: bool) -> list[FoldTask]:
    """Return the tasks, fold by fold, in the order of the score table.

    Parameters
    ----------
    folds
        What is shared.
    together
        One task for all models of a fold: for sides that must be read from the cells, which every task would do again.
    """
    twin = folds.screen is not None or folds.halves is not None
    models = (folds.model.name, *folds.baselines, *((DUPLICATE,) if twin else ()))
    groups = [models] if together else [(name,) for name in models]
    return [FoldTask(fold=i, models=group) for i in range(len(folds.split.folds)) for group in groups]


def do_fold_task(task: FoldTask, folds: Folds) -> FoldResult:
    """Fit each model on the training rows of the fold, then open its test rows, once, to score what was predicted."""
    fold, split_hash = folds.split.folds[task.fold], folds.split.hash
    side, scorer = folds.opened(task.fold)
    tables: list[ScoreTable] = []
    own: dict[str, Any] = {}
    for name in task.models:
        if name == DUPLICATE:
            tables += _twin(side, fold, split_hash=split_hash)
            continue
        if name == folds.model.name:
            tested = folds.model.clone().fit(side.train, split_hash=split_hash)
            prediction = tested.predict(fold.test)
            measured = None if folds.screen is None else side.test
            own = {"prediction": prediction, "report": tested.report_, "measured": measured}
        else:
            prediction = folds.baselines[name].clone().fit(side.train, split_hash=split_hash).predict(fold.test)
        tables.append(_score_fold(prediction, scorer, fold=fold, name=name, split_hash=split_hash))
    return FoldResult(tables=tuple(tables), **own)


def _twin(side: Side, fold: Fold, *, split_hash: str) -> list[ScoreTable]:
    if side.halves is None:
        return []
    twin = score_duplicate(side.halves, fold.test, train=side.reference, fold=fold.name, split_hash=split_hash)
    return [] if twin is None else [twin]


def _score_fold(prediction: Prediction, scorer: Scorer, *, fold: Fold, name: str, split_hash: str) -> ScoreTable:
    """Open the test rows of one fold: the only place where they are read."""
    return scorer.score(
        replace(prediction, model=name), fold=fold.name, strata=_strata_of(prediction, fold), split_hash=split_hash
    )


def _strata_of(prediction: Prediction, fold: Fold) -> Sequence[str]:
    """Strata in the order of the prediction's rows."""
    if not fold.strata:
        return ()
    known = dict(zip(fold.test, fold.strata, strict=True))
    return [known[name] for name in prediction.perturbations]
