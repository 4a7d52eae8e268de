"""Which columns group the cells: context, sample and state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError
from perturbridge.screens.files._column import Column, cross
from perturbridge.values import CONTROL_CODE, Labels

from ._detect import named_column
from ._presets import CONTEXT_NAMES, SAMPLE_NAMES, STATE_NAMES, Preset, find_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.screens.files._container import Container

__all__ = ["Groups", "choose_groups"]

_CELLS_PER_LEVEL = 5
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """Groupings of the cells and why they were chosen.

    Parameters
    ----------
    context, sample, state
        Columns, or None.
    explanation
        One sentence each.
    """

    context: Labels | None
    sample: Labels | None
    state: Labels | None
    explanation: tuple[str, ...]


def choose_groups(
    container: Container,
    codes: NDArray[np.int32],
    /,
    *,
    context: str | None = None,
    sample: str | None = None,
    state: str | None = None,
    preset: Preset | None = None,
) -> Groups:
    """Return the groupings as asked, by preset, or by the names of the columns.

    Parameters
    ----------
    container
        The file.
    codes
        Perturbation of each cell, see `Screen.perturbation_codes`.
    context
        A column, several joined by commas for their combinations, or `"none"`.
    sample, state
        A column, or `"none"`.
    preset
        Where to look first.

    Raises
    ------
    DataError
        If a column does not exist, or several could be the context and cross each other.
    """
    batch, why_batch = _asked(container, context, option="context")
    unit, why_unit = _asked(container, sample, option="sample")
    kind, why_kind = _asked(container, state, option="state")
    if sample is None:
        unit, why_unit = _known(container, preset.sample if preset else SAMPLE_NAMES)
    if state is None:
        kind, why_kind = _known(container, preset.state if preset else STATE_NAMES)
    if context is None:
        batch, why_batch = _find_context(container, codes, names=preset.context if preset else CONTEXT_NAMES, unit=unit)
    said = [
        *_joined_numbers(container, batch, unit, kind),
        _sentence("Context", batch, why_batch),
        _sentence("Sample", unit, why_unit),
        _sentence("State", kind, why_kind),
    ]
    return Groups(
        context=None if batch is None else batch.as_grouping(),
        sample=None if unit is None else unit.as_grouping(),
        state=None if kind is None else kind.as_grouping(),
        explanation=tuple(sentence for sentence in said if sentence),
    )


def _sentence(what: str, column: Column | None, why: str) -> str:
    if column is None:
        return f"{what}: none, {why}." if why else ""
    return f"{what}: {column.name!r}, {why} ({column.n_levels} levels)."


def _asked(container: Container, name: str | None, *, option: str) -> tuple[Column | None, str]:
    columns = container.cell_columns()
    if name is None or (name == "none" and name not in columns):
        return None, "as asked"
    parts = [name] if name in columns or option != "context" else [part.strip() for part in name.split(",")]
    chosen = [named_column(container, part, option=f"{option}=").numbers_joined() for part in parts]
    return cross(chosen), "as asked"


def _joined_numbers(container: Container, *chosen: Column | None) -> list[str]:
    """Say which labels were read as one number."""
    said = []
    for column in dict.fromkeys(c for c in chosen if c is not None and c.name in container.cell_columns()):
        lost = [label for label in container.cell_column(column.name).labels if label not in column.labels]
        if lost:
            whole = lost[0].partition(".")[0]
            said.append(f"Column {column.name!r}: {lost[0]!r} is read as {whole!r} ({len(lost)} such labels).")
    return said


def _known(container: Container, names: Sequence[str]) -> tuple[Column | None, str]:
    found = _groupings(container, names)
    return (found[0], "known by its name") if found else (None, "")


def _groupings(container: Container, names: Sequence[str]) -> list[Column]:
    columns = [container.cell_column(n).numbers_joined() for n in find_columns(container.cell_columns(), names)]
    return [column for column in columns if _is_grouping(column)]


def _is_grouping(column: Column) -> bool:
    return 1 < column.n_levels <= max(len(column.codes) // _CELLS_PER_LEVEL, 2)


def _find_context(
    container: Container, codes: NDArray[np.int32], *, names: Sequence[str], unit: Column | None
) -> tuple[Column | None, str]:
    """Return the finest technical grouping in which cells find their controls; without any, the sample."""
    found = sorted(_groupings(container, names), key=lambda column: -column.n_levels)
    everyone = "all cells are compared with all controls"
    if not found:
        if unit is None:
            return None, everyone
        if _share_matched(unit, codes) < _MOSTLY:
            return None, f"{everyone} ({unit.name!r} has no controls for most perturbed cells)"
        return unit, "the same as the sample, since there is no technical grouping"
    _refuse_crossing(found)
    matched = [_share_matched(column, codes) for column in found]
    best = next((i for i, share in enumerate(matched) if share == 1.0), int(np.argmax(matched)))
    if matched[best] < _MOSTLY:
        problem = f"Column {found[best].name!r} looks like the context, but {100 * (1 - matched[best]):.0f} % of the perturbed cells lie in levels without a control."
        raise DataError(
            problem,
            cure="Say context='none' to compare across them, or name another column (context=); the comparison is then confounded.",
        )
    others = [column.name for i, column in enumerate(found) if i != best]
    why = (
        f"the finest with controls of {', '.join(map(repr, [found[best].name, *others]))}"
        if others
        else "known by its name"
    )
    return found[best], why


def _refuse_crossing(found: list[Column]) -> None:
    finest = found[0]
    crossing = [column for column in found[1:] if not cross([finest, column]).same_groups(finest)]
    if crossing:
        other = crossing[0].name
        shown = ", ".join(f"{column.name!r} ({column.n_levels} levels)" for column in found)
        problem = f"{len(found)} columns could be the context and cross each other: {shown}."
        raise DataError(
            problem,
            cure=f"Say context={finest.name!r}, context={other!r}, context={f'{finest.name},{other}'!r} for their combinations, or context='none'.",
        )


def _share_matched(column: Column, codes: NDArray[np.int32]) -> float:
    """Share of the perturbed cells that lie in levels with a control."""
    n = len(column.labels) + 1
    controls = np.bincount(column.codes[codes == CONTROL_CODE] + 1, minlength=n)
    perturbed = np.bincount(column.codes[codes >= 0] + 1, minlength=n)
    has = controls > 0
    has[0] = False
    return float(perturbed[has].sum() / max(perturbed.sum(), 1))
