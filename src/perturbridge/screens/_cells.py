"""Cells without the question which perturbation they carry: labels and coordinates by name, counts where there are any."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError
from perturbridge.values import CONTROL, UNASSIGNED_CODE, Labels, Screen

from .files._column import cross
from .files._h5 import child, open_file
from .files._h5_frame import frame_length
from .files._h5ad import H5adFile
from .files._in_memory import InMemory
from .files._label_table import open_label_table
from .files._obsm import COORDINATE_SUFFIXES, as_coordinates, obsm_keys, read_obsm
from .files._open import open_container
from .meaning._genes import read_genes
from .meaning._labels import parse_label, rule_for
from .meaning._place import choose_place
from .meaning._presets import CONTEXT_NAMES, PERTURBATION_NAMES, SAMPLE_NAMES, STATE_NAMES, find_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .files._container import Container
    from .files._label_table import LabelTable

__all__ = ["Cells", "canonical_labels", "control_cells", "open_cells"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """Labels, coordinates and counts of cells by name; nothing is read before it is asked for.

    Parameters
    ----------
    name
        What messages call it.
    n_cells
        Number of cells.
    columns
        Names of the columns of the cell table.
    keys
        Names of the coordinates (`obsm`).
    table, container
        Where labels and values are read; the same where one file holds both.
    why_no_values
        Why there are none, empty where there are.
    """

    name: str
    n_cells: int
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ()
    table: Container | LabelTable = field(repr=False)
    container: Container | None = field(default=None, repr=False)
    why_no_values: str = field(default="", repr=False)

    def labels(self, column: str, *, role: str) -> Labels:
        """Return the labels of a column, or of the combinations of several joined by commas; -1 marks cells without one.

        Parameters
        ----------
        column
            One column, or several joined by commas.
        role
            What they are for, for messages.

        Raises
        ------
        DataError
            If there is no such column (the nearest names are given), or no cell has a label in it.
        """
        parts = [column] if column in self.columns else [part.strip() for part in column.split(",")]
        for part in parts:
            if part not in self.columns:
                problem = f"{self.name} has no cell column {part!r}, which {role} asks for."
                near = f"Nearest names: {nearest_names(part, self.columns)}." if self.columns else "It has no columns."
                raise DataError(problem, cure=near)
        joined = cross([self.table.cell_column(part) for part in parts]).as_grouping()
        if not joined.categories:
            problem = f"Column {column!r} of {self.name} is empty in all {self.n_cells:,} cells."
            raise DataError(problem, cure=f"Name another column for {role}.")
        return joined

    def likely(self, role: Literal["context", "sample", "condition", "state"]) -> tuple[str, ...]:
        """Return the columns whose names read like one of this role and that have 2 to n / 5 levels."""
        names = {
            "context": (*CONTEXT_NAMES, *SAMPLE_NAMES),
            "sample": SAMPLE_NAMES,
            "condition": PERTURBATION_NAMES,
            "state": STATE_NAMES,
        }[role]
        found = find_columns(self.columns, names)
        return tuple(name for name in found if 2 <= self.table.cell_column(name).n_levels <= max(self.n_cells // 5, 2))

    def coordinates(self, key: str) -> NDArray[np.float32]:
        """Return the coordinates of that name `(n_cells, n_dims)`.

        Raises
        ------
        DataError
            If there are none of that name (the nearest are given), or they are no numbers.
        """
        if isinstance(self.container, InMemory) and key in self.keys:
            return as_coordinates(self.container.adata.obsm[key], name=f"obsm[{key!r}]")
        if isinstance(self.container, H5adFile):
            return read_obsm(self.container.path, key)
        problem = f"{self.name} has no obsm[{key!r}], and there is no file of that name."
        has = (
            f"Nearest keys: {nearest_names(key, self.keys)}."
            if self.keys
            else "It has none: name a file of coordinates."
        )
        raise DataError(problem, cure=has)

    def screen(self, *, place: str | None = None, x_is: Literal["counts", "log1p"] | None = None) -> Screen:
        """Return the values of all cells, perturbation unread (every cell counts as unassigned).

        Parameters
        ----------
        place, x_is
            As in `read_screen`.

        Raises
        ------
        DataError
            If there are no values, or none that are counts or log1p values.
        """
        if self.container is None or self.why_no_values:
            problem = self.why_no_values or f"{self.name} holds no counts."
            raise DataError(problem, cure="Name a latent to audit (--rep).")
        where = choose_place(self.container, place=place, x_is=x_is)
        table = read_genes(self.container, where.normalization.place)
        return Screen(
            source=self.container.source(where.normalization.place, gene_names=table.names),
            genes=table.names,
            perturbations=(),
            perturbation_codes=np.full(self.n_cells, UNASSIGNED_CODE, dtype=np.int32),
            normalization=where.normalization,
            gene_ids=table.ids,
            explanation=(where.explanation,),
            findings=table.findings,
        )


def open_cells(source: str | Path | object, *, names: Sequence[str] = ()) -> Cells:
    """Look at the cells of a file, a folder, an AnnData object or a table of labels; a file without usable counts is welcome.

    Parameters
    ----------
    source
        What `read_screen` reads, or a table of labels (csv, tsv, parquet).
    names
        Names of the cells a table of labels is for, in their order.

    Raises
    ------
    DataError
        If it cannot be read, or has no cells.
    """
    if isinstance(source, str | Path) and str(source).endswith(COORDINATE_SUFFIXES):
        labels = open_label_table(source).in_order_of(names)
        return Cells(name=labels.name, n_cells=labels.n_cells, columns=labels.cell_columns(), table=labels)
    table, why = _with_or_without_values(source)
    if table.n_cells == 0:
        problem = f"{table.name} holds no cells."
        raise DataError(problem, cure="Check the filter that made this file.")
    return Cells(
        name=table.name,
        n_cells=table.n_cells,
        columns=table.cell_columns(),
        keys=_keys(table),
        table=table,
        container=table,
        why_no_values=why,
    )


def _with_or_without_values(source: str | Path | object) -> tuple[Container, str]:
    """Open a container; one whose only fault is that it holds no matrix is opened without."""
    try:
        return open_container(source), ""
    except DataError as error:
        bare = _bare(source)
        if bare is None:
            raise
        return bare, error.problem


def _bare(source: Any) -> Container | None:  # noqa: ANN401 - whatever a user passes
    if hasattr(source, "obsm") and hasattr(source, "obs"):
        return InMemory(source, ())
    if not isinstance(source, str | Path) or not Path(source).is_file():
        return None
    try:
        with open_file(source) as file:
            n_cells = frame_length(child(file, "obs"))
    except DataError:
        return None
    return H5adFile(path=str(source), n_cells=n_cells, keys={}, logged=False)


def _keys(table: Container) -> tuple[str, ...]:
    if isinstance(table, InMemory):
        return tuple(str(key) for key in table.adata.obsm)
    return obsm_keys(table.path) if isinstance(table, H5adFile) else ()


def control_cells(labels: Labels, *, named: Sequence[str] = ()) -> NDArray[np.bool_]:
    """True for control cells `(n_cells,)`: those with the labels named, else with any usual spelling of a control.

    Parameters
    ----------
    labels
        Perturbation of each cell, as written.
    named
        Labels that are controls.

    Raises
    ------
    DataError
        If no cell has a label that was named.
    """
    missing = [label for label in named if label not in labels.categories]
    if missing:
        problem = f"No cell has the label {missing[0]!r} in {labels.column!r}."
        raise DataError(problem, cure=f"Nearest labels: {nearest_names(missing[0], labels.categories)}.")
    rule = rule_for(labels.categories, controls=named)
    is_control = [parse_label(label, rule=rule) == CONTROL for label in labels.categories]
    return np.array([*is_control, False], dtype=np.bool_)[labels.codes]


def canonical_labels(labels: Labels, *, named: Sequence[str] = ()) -> Labels:
    """Labels as the canonical names of perturbations: `HSPA5+ctrl` becomes `HSPA5`, `B_A` where both stand alone becomes `A+B`.

    Controls get one name, `control`; a label that names no perturbation becomes a missing one.

    Parameters
    ----------
    labels
        Perturbation of each cell, as written.
    named
        Labels that are controls.
    """
    rule = rule_for(labels.categories, controls=named)
    parsed = [parse_label(label, rule=rule) for label in labels.categories]
    names = sorted({str(name) for name in parsed if name is not None})
    place = {name: i for i, name in enumerate(names)}
    table = np.array([-1 if name is None else place[str(name)] for name in parsed] + [-1], dtype=np.int32)
    return Labels(labels.column, tuple(names), table[labels.codes])
