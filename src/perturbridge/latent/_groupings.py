"""Labels of a screen as codes: the context of the decoder, the labels of semi-supervision, and what travels with a latent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError, FitError
from perturbridge.values import CONTROL, CONTROL_CODE, UNASSIGNED_CODE, Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Screen

__all__ = ["carried", "codes_among", "conditions", "grouping", "known_cells", "n_states", "strata"]


def grouping(screen: Screen, name: str | None) -> Labels | None:
    """Return a grouping by its role (`"context"`, `"sample"`, `"state"`, `"perturbation"`) or its column; None for `"none"` or no name.

    The role `"context"` of a screen without one is None; every other name must be there.

    Raises
    ------
    DataError
        If the screen has no such grouping.
    """
    if name is None or name == "none" or (name == "context" and screen.context is None):
        return None
    roles = {"context": screen.context, "sample": screen.sample, "state": screen.state}
    found = {role: labels for role, labels in roles.items() if labels is not None}
    if name in ("perturbation", screen.perturbation_column):
        return conditions(screen)
    if name in found:
        return found[name]
    for labels in found.values():
        if labels.column == name:
            return labels
    known = sorted({*found, *(labels.column for labels in found.values()), "perturbation"})
    problem = f"The screen has no grouping called {name!r}."
    raise DataError(problem, cure=f"It has {nearest_names(name, known)}; others are named when the screen is read.")


def conditions(screen: Screen) -> Labels:
    """The perturbation of each cell as labels, the control among them; -1 for cells without one."""
    names = sorted([str(CONTROL), *(str(name) for name in screen.perturbations)])
    place = {name: i for i, name in enumerate(names)}
    table = np.array([place[str(name)] for name in screen.perturbations] + [-1, place[str(CONTROL)]], dtype=np.int32)
    # Codes -1 (control) and -2 (unassigned) index the last two entries from the end.
    return Labels(screen.perturbation_column or "perturbation", tuple(names), table[screen.perturbation_codes])


def strata(screen: Screen) -> NDArray[np.int64]:
    """One code per perturbation and state `(n_cells,)`, within which penalties compare contexts."""
    condition = np.asarray(screen.perturbation_codes, dtype=np.int64) - UNASSIGNED_CODE
    return condition if screen.state is None else condition * n_states(screen) + screen.state.codes + 1


def n_states(screen: Screen) -> int:
    """States, and one more for cells without; 1 where the screen has no such grouping."""
    return 1 if screen.state is None else len(screen.state.categories) + 1


def codes_among(labels: Labels, categories: Sequence[str]) -> NDArray[np.int64]:
    """Codes of the labels among other categories `(n_cells,)`; -1 where missing, -2 where the category is not among them."""
    place = {name: i for i, name in enumerate(categories)}
    table = np.array([place.get(name, -2) for name in labels.categories] + [-1], dtype=np.int64)
    return table[labels.codes]


def known_cells(labels: Labels | None, rows: NDArray[np.int64], *, role: str) -> None:
    """Check that every one of these cells has a label.

    Raises
    ------
    FitError
        If one has none.
    """
    if labels is None:
        return
    missing = rows[labels.codes[rows] < 0]
    if len(missing):
        problem = (
            f"{len(missing)} of {len(rows)} cells have no {role} ({labels.column!r}), the first is cell {missing[0]}."
        )
        raise FitError(problem, cure=f"Give each cell a {role}, leave those cells out, or choose another grouping.")


def carried(screen: Screen, rows: NDArray[np.int64] | None = None) -> dict[str, Labels]:
    """The groupings of some cells, or of all, by role, to travel with their latent."""
    roles = {
        "condition": conditions(screen),
        "context": screen.context,
        "sample": screen.sample,
        "state": screen.state,
    }
    found = {role: labels for role, labels in roles.items() if labels is not None}
    if rows is None:
        return found
    return {role: Labels(labels.column, labels.categories, labels.codes[rows]) for role, labels in found.items()}


def is_control(screen: Screen) -> NDArray[np.bool_]:
    """True for controls `(n_cells,)`."""
    return np.asarray(screen.perturbation_codes == CONTROL_CODE)
