"""Whole contexts or samples held out: training and test effects come from different cells, each side with its own controls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import DataError, FitError
from perturbridge.evaluation import Scorer
from perturbridge.screens import make_split, pseudobulk, split_screen, write_prediction
from perturbridge.values import Prediction, as_names

from ._duplicate import half_effects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from perturbridge.values import Effects, Fold, PerturbationName, Screen, Split

__all__ = [
    "LEVELS",
    "SeenElsewhere",
    "Side",
    "draw_levels",
    "fold_records",
    "holds_out_cells",
    "level_side",
    "name_side",
    "without_screen",
    "write_held_out",
]

LEVELS = ("context", "sample", "state")


@dataclass(frozen=True, eq=False, kw_only=True)
class Side:
    """What one fold trains on and is scored against.

    Parameters
    ----------
    train
        Effects of the training rows, and nothing else.
    test
        Effects that hold the test rows.
    reference
        What the scorer is told of training: names of rows in `test`, or effects of other cells.
    halves
        Two halves of the test cells, for a technical duplicate.
    """

    train: Effects
    test: Effects
    reference: Effects | tuple[PerturbationName, ...]
    halves: tuple[Effects, Effects] | None

    def scorer(self, fold: Fold) -> Scorer:
        """Prepare the test rows of the fold for any number of models."""
        return Scorer(self.test, fold.test, train=self.reference)


def name_side(effects: Effects, fold: Fold, *, halves: tuple[Effects, Effects] | None) -> Side:
    """Divide one table of effects by perturbation."""
    return Side(train=effects.take(fold.train), test=effects, reference=fold.train, halves=halves)


def level_side(screen: Screen, split: Split, fold: Fold, *, min_cells: int, seed: int) -> Side:
    """Sum the cells of the training levels and those of the held-out levels, each against the controls of its own contexts.

    Reads the screen twice, and twice more for the two halves of the test cells; the effects of one fold alone are in memory at a time.

    Parameters
    ----------
    screen, split, fold
        A fold of a split that `trim_split` gave.
    min_cells
        As the split was trimmed.
    seed
        Draws the halves.

    Raises
    ------
    DataError
        If cells without a single count leave a perturbation with too few.
    """
    train, test = (
        pseudobulk(replace(side, findings=()), min_cells=min_cells, on_few="drop")
        for side in split_screen(screen, split, fold)
    )
    for names, effects in ((fold.train, train), (fold.test, test)):
        lost = sorted(set(names) - set(effects.perturbations))
        if lost:
            problem = f"In fold {fold.name!r} cells without a single count leave {len(lost)} perturbations too few, the first is {lost[0]}."
            raise DataError(problem, cure="Remove the empty cells from the file.")
    train = train.take(fold.train)
    halves = half_effects(split_screen(screen, split, fold)[1], seed=seed)
    return Side(train=train, test=test, reference=train, halves=halves)


def draw_levels(screen: Screen | None, kind: str, *, folds: int, seed: int) -> Split:
    """Hold out one level at a time, or levels dealt to `folds` folds where there are more of them.

    Raises
    ------
    DataError
        If there is no screen to hold cells out of, or fewer than two usable levels.
    """
    if screen is None:
        raise without_screen(kind)
    single = make_split(screen, kind=kind, seed=seed)  # type: ignore[arg-type]
    return single if len(single.folds) <= folds else make_split(screen, kind=kind, folds=folds, seed=seed)  # type: ignore[arg-type]


def holds_out_cells(split: str | Split) -> bool:
    """Say whether a split, or a kind of split, divides cells and not perturbations alone."""
    return split in LEVELS if isinstance(split, str) else bool(split.by)


def fold_records(split: Split) -> dict[str, Any]:
    """Return for the manifest which levels of which column each fold holds out, and the file of its predictions; nothing for others."""
    if not split.by:
        return {}
    rows = [
        {
            "fold": fold.name,
            "held_out": list(fold.held_out),
            "n_train": len(fold.train),
            "n_test": len(fold.test),
            "n_seen_elsewhere": len(set(fold.train) & set(fold.test)),
            "predictions": f"predictions/{i}.h5ad",
        }
        for i, fold in enumerate(split.folds)
    ]
    return {"by": split.by, "levels": rows}


def write_held_out(folder: Path, split: Split, predictions: Mapping[str, Prediction]) -> None:
    """Write the predictions of every fold where levels are held out: a perturbation is predicted in each of them anew."""
    if not split.by:
        return
    (folder / "predictions").mkdir()
    for row in fold_records(split)["levels"]:
        write_prediction(predictions[row["fold"]], folder / row["predictions"])


def without_screen(by: str) -> DataError:
    """Return the error for a split of cells without the cells."""
    problem = f"The split holds out the cells of {by!r}, which effects over all cells cannot tell apart."
    return DataError(problem, cure="Pass the screen too (screen=), from which each side is summed by itself.")


class SeenElsewhere:
    """Δ̂ = Δ of the same perturbation as measured on the training cells, their mean where it was not: what has been seen, looked up.

    The opponent of every claim about a new context: a model that does not beat it has carried nothing over that was not there.
    """

    def __init__(self) -> None:
        self._effects: Effects | None = None
        self._split_hash = ""

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "seen_elsewhere"

    def fit(self, effects: Effects, *, split_hash: str = "") -> SeenElsewhere:
        """Keep the rows."""
        self._effects, self._split_hash = effects, split_hash
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Look the rows up; FitError if not fitted."""
        effects, names = self._effects, as_names(perturbations)
        if effects is None:
            problem = f"Model {self.name!r} is asked before it has learnt anything."
            raise FitError(problem, cure="Call fit first.")
        known = set(effects.perturbations)
        seen = tuple(name in known for name in names)
        delta = np.tile(effects.delta.mean(axis=0), (len(names), 1))
        delta[list(seen)] = effects.delta[effects.rows([name for name in names if name in known])]
        return Prediction(
            perturbations=names,
            genes=effects.genes,
            delta=delta,
            status=("predicted",) * len(names),
            detail=tuple("" if was else "not among the training cells: their mean" for was in seen),
            model=self.name,
            in_training=seen,
            split_hash=self._split_hash,
        )

    def clone(self) -> SeenElsewhere:
        """Return a copy that has learnt nothing."""
        return SeenElsewhere()
