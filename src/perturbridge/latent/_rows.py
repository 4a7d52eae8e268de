"""Which cells a latent model may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError, FitError
from perturbridge.values import CONTROL_CODE, UNASSIGNED_CODE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from perturbridge.values import Fold, Screen, Split

__all__ = ["Chosen", "as_rows", "choose_rows", "fold_of"]

FEWEST_CELLS = 2
MOST_HELD = 50_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Chosen:
    """Rows of a screen, ascending.

    Parameters
    ----------
    train, held
        Cells whose gradients are taken, and cells on which the bound is watched; both are seen by the fit.
    split_hash
        Of the split, empty without one.
    """

    train: NDArray[np.int64]
    held: NDArray[np.int64]
    split_hash: str

    @property
    def seen(self) -> NDArray[np.int64]:
        """Every cell that the fit looks at."""
        return np.sort(np.concatenate([self.train, self.held]))


def fold_of(split: Split, name: str | None) -> Fold:
    """Return a fold by name; a split of one fold needs none.

    Raises
    ------
    DataError
        If there is no such fold, or several and no name.
    """
    names = [fold.name for fold in split.folds]
    if name is None and len(names) == 1:
        return split.folds[0]
    if name not in names:
        problem = f"The split has {len(names)} folds and fold is {name!r}."
        raise DataError(problem, cure=f"Name one of {', '.join(names[:10])}.")
    return split.folds[names.index(name)]


def choose_rows(
    screen: Screen,
    *,
    split: Split | None = None,
    fold: str | None = None,
    rows: ArrayLike | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> Chosen:
    """Controls and cells of the training perturbations of a fold, a share of them held out to watch the bound (at most 50,000).

    Cells without an assigned perturbation are left out unless `rows` names them; test perturbations are refused there.

    Parameters
    ----------
    screen
        Cells and their perturbations.
    split, fold
        A split and one of its folds; without one every assigned cell is used.
    rows
        Cells to use, as a mask `(n_cells,)` or as row numbers, such as all cells of some samples; default: as the split says.
    validation, seed
        Share held out, and what draws it.

    Raises
    ------
    FitError
        If fewer than two cells are left to learn from, or `rows` holds cells of test perturbations.
    DataError
        If the fold is unknown, or `rows` does not fit the screen.
    """
    allowed = screen.perturbation_codes != UNASSIGNED_CODE
    if split is not None:
        train = set(fold_of(split, fold).train)
        table = np.array([name in train for name in screen.perturbations] + [False, True])
        allowed = table[screen.perturbation_codes]
    kept = np.flatnonzero(allowed)
    if rows is not None:
        kept = as_rows(rows, n_cells=screen.n_cells)
        outside = kept[~allowed[kept]] if split is not None else kept[:0]
        if len(outside):
            problem = f"{len(outside)} of the {len(kept)} rows to learn from are no training cells of the split, the first is {outside[0]}."
            raise FitError(problem, cure="Pass training cells alone, or leave rows out.")
    n_held = min(int(validation * len(kept)), MOST_HELD)
    if len(kept) - n_held < FEWEST_CELLS:
        problem = f"{len(kept)} cells are left to learn from, {int((screen.perturbation_codes == CONTROL_CODE).sum())} of the screen are controls."
        raise FitError(problem, cure=f"Give at least {FEWEST_CELLS} cells with a training perturbation or controls.")
    shuffled = np.random.default_rng((seed, 1)).permutation(kept)
    return Chosen(
        train=np.sort(shuffled[n_held:]),
        held=np.sort(shuffled[:n_held]),
        split_hash="" if split is None else split.hash,
    )


def as_rows(rows: ArrayLike, *, n_cells: int) -> NDArray[np.int64]:
    """Turn a mask `(n_cells,)` or row numbers into ascending rows.

    Raises
    ------
    DataError
        If the mask has another length, or a row is named twice or does not exist.
    """
    array = np.asarray(rows)
    if array.dtype == np.bool_:
        if array.shape != (n_cells,):
            problem = f"rows is a mask of shape {array.shape} for {n_cells} cells."
            raise DataError(problem, cure="Give one entry per cell.")
        return np.flatnonzero(array)
    unique = np.unique(array.astype(np.int64))
    if len(unique) != array.size or (len(unique) and (unique[0] < 0 or unique[-1] >= n_cells)):
        problem = f"rows has {array.size} entries, {len(unique)} of them different, for cells 0 to {n_cells - 1}."
        raise DataError(problem, cure="Name each cell once.")
    return unique
