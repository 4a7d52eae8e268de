"""A split of cells, left with the perturbations that have enough cells on the side where they stand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perturbridge.errors import DataError
from perturbridge.screens.summing._grouping import group_cells
from perturbridge.values import Finding

from ._by_level import split_screen

if TYPE_CHECKING:
    from perturbridge.values import Fold, PerturbationName, Screen, Split

__all__ = ["SEEN", "UNSEEN", "trim_split"]

SEEN, UNSEEN = "seen elsewhere", "unseen"


def trim_split(screen: Screen, split: Split, /, *, min_cells: int = 2) -> tuple[Split, tuple[Finding, ...]]:
    """Leave out of each fold what its own side cannot tell: perturbations with too few cells there beside controls of their context.

    Reads labels alone, so that what trains and what tests is settled, and hashed, before a value is read.

    Parameters
    ----------
    screen
        The screen that the split was made from.
    split
        Holds out whole levels (`Split.by`).
    min_cells
        Fewest cells of a perturbation on either side.

    Returns
    -------
    tuple
        The split with train and test of each fold as they can be measured, strata `"seen elsewhere"` and `"unseen"` unless it came with
        its own; and a finding about what was left out.

    Raises
    ------
    DataError
        If a side of a fold has no controls or no perturbation with enough cells, or the screen lacks a level of the split.
    """
    folds, lost = [], []
    for fold in split.folds:
        train, test = (
            _measurable(side, fold, what=what, min_cells=min_cells)
            for side, what in zip(split_screen(screen, split, fold), ("training", "held-out"), strict=True)
        )
        lost += [(fold, name) for name in fold.train if name not in train]
        lost += [(fold, name) for name in fold.test if name not in test]
        folds.append(_left_with(fold, train, test))
    findings: tuple[Finding, ...] = ()
    if lost:
        message = (
            f"In {len({fold.name for fold, _ in lost})} of {len(split.folds)} folds perturbations have fewer than {min_cells} cells, beside "
            f"controls of their context, on a side where the split puts them; there they are left out, {len(lost)} times in all."
        )
        first = f"{lost[0][1]} in {lost[0][0].name}"
        findings = (
            Finding(level="warning", code="few_cells_in_fold", message=message, count=len(lost), example=first),
        )
    return replace(split, folds=tuple(folds)), findings


def _measurable(side: Screen, fold: Fold, *, what: str, min_cells: int) -> frozenset[PerturbationName]:
    try:
        grouping = group_cells(side, min_cells=min_cells, on_few="drop")
    except DataError as error:
        problem = f"The {what} side of fold {fold.name!r} cannot be measured: {error.problem}"
        raise DataError(problem, cure="Hold out levels with controls and perturbed cells of their own.") from error
    return frozenset(grouping.perturbations)


def _left_with(fold: Fold, train: frozenset[PerturbationName], test: frozenset[PerturbationName]) -> Fold:
    own = fold.strata if set(fold.strata) - {SEEN, UNSEEN} else ()
    strata = own or tuple(SEEN if name in train else UNSEEN for name in fold.test)
    rows = [(name, stratum) for name, stratum in zip(fold.test, strata, strict=True) if name in test]
    return replace(
        fold,
        train=tuple(name for name in fold.train if name in train),
        test=tuple(name for name, _ in rows),
        strata=tuple(stratum for _, stratum in rows),
    )
