"""Cells of a latent where an alignment can move them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError, LeakageError
from perturbridge.values import PerturbationName, control_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import Alignment, Latent

__all__ = ["Placed", "control_rows", "perturbed_rows", "place"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Placed:
    """Cells in the coordinates of an alignment.

    Parameters
    ----------
    rows
        Of the latent `(n_cells,)`.
    x
        Centred coordinates `(n_cells, n_dims)`.
    strata
        Of each cell `(n_cells,)`.
    n_left_out
        Cells that were asked for and lie in no stratum.
    """

    rows: NDArray[np.int64]
    x: NDArray[np.float64]
    strata: NDArray[np.int64]
    n_left_out: int = 0

    def take(self, cells: NDArray[np.int64]) -> Placed:
        """Return some of them."""
        return Placed(rows=self.rows[cells], x=self.x[cells], strata=self.strata[cells])


def place(frame: Alignment, latent: Latent, rows: NDArray[np.int64]) -> Placed:
    """Centre cells and find their strata; those without a known context or stratum are left out and counted.

    Raises
    ------
    DataError
        If the latent has another number of dimensions, or does not carry labels that are needed.
    LeakageError
        If it was fitted under another split.
    """
    if latent.n_dims != frame.n_dims:
        problem = (
            f"Latent {latent.name!r} has {latent.n_dims} dimensions, the alignment was made in one of {frame.n_dims}."
        )
        raise DataError(problem, cure="Pass cells of the latent that was aligned.")
    if latent.split_hash != frame.split_hash:
        problem = f"Latent {latent.name!r} was fitted under split {latent.split_hash[:12] or 'none'}, the alignment under {frame.split_hash[:12] or 'none'}."
        raise LeakageError(problem, cure="Encode all cells with one latent, fitted under the split that is scored.")
    context, state = context_names(frame, latent, rows), _names(latent, "state", rows)
    z = latent.z[rows]
    covered = frame.covers(z, context=context, state=state)
    kept = np.flatnonzero(covered)
    x = frame.centred(z[kept], _take(context, kept))
    strata = frame.strata_of(x, context=_take(context, kept), state=_take(state, kept))
    return Placed(rows=rows[kept], x=x, strata=strata, n_left_out=len(rows) - len(kept))


def context_names(frame: Alignment, latent: Latent, rows: NDArray[np.int64]) -> list[str] | None:
    """Context of each cell, None where the alignment knows one alone and cells are not labelled with it."""
    names = _names(latent, "context", rows)
    if len(frame.contexts) == 1 and (names is None or frame.contexts[0] not in names):
        return None
    return names


def _names(latent: Latent, role: str, rows: NDArray[np.int64]) -> list[str] | None:
    if role not in latent.labels:
        return None
    labels = latent.labels[role]
    table = np.array([*labels.categories, ""], dtype=object)
    return [str(name) for name in table[labels.codes[rows]]]


def _take(names: list[str] | None, rows: NDArray[np.int64]) -> list[str] | None:
    return None if names is None else [names[i] for i in rows]


def control_rows(latent: Latent) -> NDArray[np.int64]:
    """Rows of the controls; all rows of a latent that does not say what was done to its cells.

    Raises
    ------
    DataError
        If it says, and there are none.
    """
    if "condition" not in latent.labels:
        return np.arange(latent.n_cells)
    rows = np.flatnonzero(control_cells(latent.labels["condition"]))
    if not len(rows):
        problem = f"None of the {latent.n_cells} cells of latent {latent.name!r} is a control."
        raise DataError(problem, cure="Pass a latent with control cells, labelled 'control' under 'condition'.")
    return rows


def perturbed_rows(latent: Latent, names: tuple[PerturbationName, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the cells of these perturbations, and which of them each has.

    Raises
    ------
    DataError
        If the latent carries no conditions.
    """
    labels = latent.column("condition")
    place_of = {str(name): i for i, name in enumerate(names)}
    table = np.array([_code(text, place_of) for text in labels.categories] + [-1], dtype=np.int64)
    codes = table[labels.codes]
    rows = np.flatnonzero(codes >= 0)
    return rows, codes[rows]


def _code(text: str, place_of: dict[str, int]) -> int:
    if text in place_of or "+" not in text:
        return place_of.get(text, -1)
    return place_of.get("+".join(sorted(part.strip() for part in text.split("+"))), -1)
