"""Whole contexts or samples held out: the test cells are those of levels that no training cell has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE, Fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Labels, PerturbationName, Screen, Split

__all__ = ["by_level", "split_screen"]


def by_level(screen: Screen, labels: Labels | None, /, *, kind: str, folds: int | None, seed: int) -> tuple[Fold, ...]:
    """Return one fold per level, or levels dealt to `folds` folds by their number of perturbed cells.

    Raises
    ------
    DataError
        If the screen has no such grouping, or fewer than two of its levels hold both controls and perturbed cells.
    """
    if labels is None:
        problem = f"The screen has no {kind}, so that none can be held out."
        raise DataError(problem, cure=f"Say which column it is ({kind}=).")
    n = len(labels.categories)
    codes = screen.perturbation_codes
    controls, perturbed = (
        np.bincount(labels.codes[which & (labels.codes >= 0)], minlength=n)
        for which in (codes == CONTROL_CODE, codes >= 0)
    )
    usable = np.flatnonzero((controls > 0) & (perturbed > 0))
    if len(usable) < max(folds or 2, 2):
        problem = f"{len(usable)} of {n} levels of {labels.column!r} hold controls and perturbed cells, for {folds or 'at least 2'} folds."
        raise DataError(problem, cure=f"Name another column ({kind}=), or ask for fewer folds.")
    part = _dealt(perturbed[usable], folds or len(usable), seed=seed)
    names = [labels.categories[i] for i in usable.tolist()]
    result = []
    for i in range(folds or len(usable)):
        held = tuple(name for name, p in zip(names, part.tolist(), strict=True) if p == i)
        test = _cells_of(labels, held)
        result.append(
            Fold(
                name=held[0] if len(held) == 1 else f"fold{i}",
                train=_present(screen, ~test & (labels.codes >= 0)),
                test=_present(screen, test),
                strata=_seen(screen, test, labels),
                held_out=held,
            )
        )
    return tuple(result)


def _dealt(sizes: NDArray[np.int64], folds: int, *, seed: int) -> NDArray[np.int64]:
    if folds == len(sizes):
        return np.arange(folds)
    order = np.lexsort((np.random.default_rng(seed).random(len(sizes)), -sizes))
    held, part = np.zeros(folds), np.empty(len(sizes), dtype=np.int64)
    for at in order.tolist():
        part[at] = int(np.argmin(held))
        held[part[at]] += sizes[at]
    return part


def _cells_of(labels: Labels, levels: Sequence[str]) -> NDArray[np.bool_]:
    wanted = [i for i, name in enumerate(labels.categories) if name in levels]
    return np.isin(labels.codes, wanted)


def _present(screen: Screen, cells: NDArray[np.bool_]) -> tuple[PerturbationName, ...]:
    codes = np.unique(screen.perturbation_codes[cells])
    return tuple(screen.perturbations[code] for code in codes.tolist() if code >= 0)


def _seen(screen: Screen, test: NDArray[np.bool_], labels: Labels) -> tuple[str, ...]:
    """Return for each test perturbation whether training cells of other levels have it too."""
    train = set(_present(screen, ~test & (labels.codes >= 0)))
    return tuple("seen elsewhere" if name in train else "unseen" for name in _present(screen, test))


def split_screen(screen: Screen, split: Split, fold: Fold) -> tuple[Screen, Screen]:
    """Return the training and the test cells of a fold as two screens on the same file; no value is read or copied.

    Cells of the other side count as unassigned. Controls go with their level where levels are held out, so that an effect is
    measured against the controls of its own side; where perturbations alone are divided both sides have all controls.

    Parameters
    ----------
    screen
        The screen that the split was made from.
    split
        Says which column holds the levels.
    fold
        One of its folds.

    Raises
    ------
    DataError
        If the screen has no grouping by the column of the split, or lacks a level or a perturbation of the fold.
    """
    codes = screen.perturbation_codes
    position = {name: i for i, name in enumerate(screen.perturbations)}
    absent = [name for name in (*fold.train, *fold.test) if name not in position]
    if absent:
        problem = f"{len(absent)} perturbations of fold {fold.name!r} are not in the screen, the first is {absent[0]}."
        raise DataError(problem, cure="Pass the screen that the split was made from.")
    test = train = np.ones(len(codes), dtype=bool)
    if split.by:
        labels = next((g for g in (screen.context, screen.sample, screen.state) if g and g.column == split.by), None)
        lost = [level for level in fold.held_out if labels is None or level not in labels.categories]
        if labels is None or lost:
            problem = f"The screen has no {'column' if labels is None else 'level'} {split.by if labels is None else lost[0]!r} that the split holds out."
            raise DataError(problem, cure="Read the screen with the same context, sample and state.")
        test = _cells_of(labels, fold.held_out)
        train = ~test & (labels.codes >= 0)
    sides = []
    for cells, names in ((train, fold.train), (test, fold.test)):
        kept = cells & np.isin(codes, [CONTROL_CODE, *(position[name] for name in names)])
        sides.append(_side(screen, kept, cells))
    return sides[0], sides[1]


def _side(screen: Screen, kept: NDArray[np.bool_], cells: NDArray[np.bool_]) -> Screen:
    codes = np.where(kept, screen.perturbation_codes, np.int32(UNASSIGNED_CODE))
    used = np.unique(codes[codes >= 0])
    table = np.full(len(screen.perturbations), -1, dtype=np.int32)
    table[used] = np.arange(len(used))
    renumbered = np.where(codes >= 0, table[np.maximum(codes, 0)], codes).astype(np.int32)
    names = tuple(screen.perturbations[i] for i in used.tolist())
    others = screen.other_controls
    if others is not None:
        others = replace(others, codes=np.where(cells, others.codes, np.int32(-1)))
    return replace(screen, perturbations=names, perturbation_codes=renumbered, other_controls=others)
