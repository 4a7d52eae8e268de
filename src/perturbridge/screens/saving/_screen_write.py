"""A screen as one h5ad file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from perturbridge.errors import DataError
from perturbridge.values import CONTROL, CONTROL_CODE, UNASSIGNED_CODE, Screen

from ._h5ad_write import write_csr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from perturbridge.values import Labels, RowChunk

__all__ = ["HoldsScreen", "write_screen"]

ROWS_PER_CHUNK = 4096


class HoldsScreen(Protocol):
    """Anything with a screen in it, such as what `simulate.screen` returns."""

    @property
    def screen(self) -> Screen:
        """The screen."""


def write_screen(screen: Screen | HoldsScreen, path: str | Path) -> None:
    """Write the values and labels of a screen as h5ad, a few thousand cells at a time.

    `X` is a CSR matrix. `obs` has the columns `perturbation` (genes joined by `+`, `control`, missing where unassigned) and, where
    the screen has them, `context`, `sample` and `state`; `var` has `gene_ids`. Log1p values are marked by `uns["log1p"]`. Where controls of
    other kinds are kept apart, every control bears the name of its kind (`non-targeting`, `intergenic`, …).

    Parameters
    ----------
    screen
        A screen, or a simulated one.
    path
        The file appears whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written, a value is broken, or a perturbation cannot be told from the control by its name.
    """
    screen = screen if isinstance(screen, Screen) else screen.screen
    var = pd.DataFrame(index=_index(screen.genes))
    if screen.gene_ids:
        var["gene_ids"] = np.array(screen.gene_ids, dtype=object)
    uns: dict[str, object] = {"log1p": {}} if screen.normalization.kind == "log1p" else {}
    write_csr(path, _chunks(screen), obs=_cells(screen), var=var, uns=uns)


def _cells(screen: Screen) -> pd.DataFrame:
    control = str(CONTROL)
    names = [str(name) for name in screen.perturbations]
    other = screen.other_controls
    kinds = list(other.categories) if other is not None else []
    if other is not None and screen.control_kinds is not None and len(screen.control_kinds.categories) == 1:
        control = screen.control_kinds.categories[0]
    doubled = next((kind for kind in (control, *kinds) if kind in names), None)
    if doubled is not None:
        problem = f"A perturbation is called {doubled!r}, like the control."
        raise DataError(problem, cure="Rename the gene.")
    if control in kinds:
        problem = f"Controls of one kind, {control!r}, are in the baseline and kept apart from it, which the names of kinds cannot say."
        raise DataError(problem, cure="Read the screen with whole kinds as the baseline (control='non-targeting').")
    # Controls are the last categories, so that codes -1 (control) and -2 (unassigned) become one of them and missing.
    codes = screen.perturbation_codes.copy()
    codes[screen.perturbation_codes == CONTROL_CODE] = len(names)
    codes[screen.perturbation_codes == UNASSIGNED_CODE] = -1
    if other is not None:
        codes[other.codes >= 0] = len(names) + 1 + other.codes[other.codes >= 0]
    cells = pd.DataFrame(index=_index(f"cell{i}" for i in range(screen.n_cells)))
    cells["perturbation"] = _categorical(codes, [*names, control, *kinds])
    groupings: dict[str, Labels | None] = {"context": screen.context, "sample": screen.sample, "state": screen.state}
    for column, labels in groupings.items():
        if labels is not None:
            cells[column] = _categorical(labels.codes, list(labels.categories))
    return cells


def _categorical(codes: NDArray[np.int32], categories: list[str]) -> pd.Categorical[Any]:
    return pd.Categorical.from_codes(codes.tolist(), categories=_index(categories))


def _index(names: Iterable[str]) -> pd.Index[Any]:
    index: pd.Index[Any] = pd.Index(np.array(list(names), dtype=object), dtype=object)
    return index


def _chunks(screen: Screen) -> Iterator[RowChunk]:
    for start in range(0, screen.n_cells, ROWS_PER_CHUNK):
        yield screen.source.read_rows(start, min(start + ROWS_PER_CHUNK, screen.n_cells))
