"""Finding the column of perturbations: as asked, by preset, or by name and content; ambiguity is refused, not guessed away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError

from ._perturbation import Reading, listed, named_controls, no_control, only_controls, read_labels
from ._presets import FLAG_NAMES, GUIDE_NAMES, PERTURBATION_NAMES, Preset, find_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.screens.files._column import Column
    from perturbridge.screens.files._container import Container

    from ._genes import GeneTable

__all__ = ["ChosenLabels", "choose_labels", "named_column"]

_FEW, _MANY = 0.05, 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenLabels:
    """The column of perturbations, read, and why it was chosen.

    Parameters
    ----------
    reading
        Its labels.
    explanation
        One sentence for the column and one for the controls.
    """

    reading: Reading
    explanation: tuple[str, ...]


def named_column(container: Container, name: str, *, option: str) -> Column:
    """Return a column the user named.

    Raises
    ------
    DataError
        If the cell table has no such column; the nearest names are given.
    """
    columns = container.cell_columns()
    if name not in columns:
        problem = f"{container.name} has no cell column {name!r}, which {option} asks for."
        raise DataError(problem, cure=f"Nearest names: {nearest_names(name, columns)}.")
    return container.cell_column(name)


def choose_labels(
    container: Container,
    genes: GeneTable,
    *,
    perturbation: str | None = None,
    control: Sequence[str] = (),
    preset: Preset | None = None,
) -> ChosenLabels:
    """Find and read the column that names the perturbation of each cell.

    Parameters
    ----------
    container
        The file.
    genes
        Measured genes; they decide where labels can be read in more than one way.
    perturbation, control
        Column and control labels as asked.
    preset
        Where to look first.

    Raises
    ------
    DataError
        If the column does not exist, no label is a control, or several columns could be it.
    """
    if perturbation is not None:
        reading = _checked(named_column(container, perturbation, option="perturbation="), genes, control)
        return _explained(reading, f"Perturbation column: {perturbation!r}, as asked")
    if preset is not None:
        return _by_preset(container, genes, preset, control=control)
    refused: list[Reading] = []
    for names in (PERTURBATION_NAMES, GUIDE_NAMES):
        readings = _readings(container, genes, names, control=control)
        usable = [reading for reading in readings if reading.is_usable]
        if usable:
            return _the_one(usable, genes)
        refused += readings
    if refused:
        controls_alone = [reading for reading in refused if reading.controls]
        if controls_alone:
            raise only_controls(controls_alone[0])
        raise no_control(max(refused, key=lambda r: r.share_measured(frozenset(genes.names))).column, asked=control)
    return _by_content(container, genes, control=control)


def _readings(container: Container, genes: GeneTable, names: Sequence[str], *, control: Sequence[str]) -> list[Reading]:
    columns = [container.cell_column(name) for name in find_columns(container.cell_columns(), names)]
    # A single level says something where empty cells are controls, or where all cells turn out to be.
    usable = [c for c in columns if c.kind == "text" and c.n_levels > 0 and not _is_flag(c)]
    return [_read(container, column, genes, control=control) for column in usable]


def _is_flag(column: Column) -> bool:
    return {label.casefold() for label in column.labels} <= {"true", "false", "yes", "no", "0", "1"}


def _by_preset(container: Container, genes: GeneTable, preset: Preset, *, control: Sequence[str]) -> ChosenLabels:
    columns = find_columns(container.cell_columns(), preset.perturbation)
    if not columns:
        problem = (
            f"{container.name} has none of the columns of preset {preset.name!r} ({', '.join(preset.perturbation)})."
        )
        raise DataError(problem, cure=f"Say perturbation=, one of {', '.join(map(repr, container.cell_columns()))}.")
    column = container.cell_column(columns[0])
    wanted = tuple(control) or tuple(c for c in named_controls(column, preset.controls) if c in column.labels)
    if preset.controls and not wanted:
        raise no_control(column, asked=preset.controls)
    return _explained(
        _checked(column, genes, wanted), f"Perturbation column: {columns[0]!r}, from preset {preset.name!r}"
    )


def _checked(column: Column, genes: GeneTable, control: Sequence[str]) -> Reading:
    reading = read_labels(column, genes, controls=control)
    absent = [label for label in named_controls(reading.column, control) if label not in reading.controls]
    if control and absent:
        raise no_control(column, asked=absent)
    if not reading.controls:
        raise no_control(column)
    if not reading.perturbations:
        raise only_controls(reading)
    return reading


def _read(container: Container, column: Column, genes: GeneTable, *, control: Sequence[str]) -> Reading:
    """Read a candidate; where no label reads like a control, a yes/no column of the file may say which are."""
    reading = read_labels(column, genes, controls=control)
    if reading.controls or control:
        return reading
    for name in find_columns(container.cell_columns(), FLAG_NAMES):
        labels = _flagged(container.cell_column(name), column)
        if labels:
            return read_labels(column, genes, controls=labels)
    return reading


def _flagged(flag: Column, column: Column) -> tuple[str, ...]:
    """Labels whose cells are all flagged, if those are all the flagged cells."""
    yes = [i for i, label in enumerate(flag.labels) if label.casefold() in ("1", "true", "yes")]
    if len(yes) != 1 or flag.n_levels != 2:
        return ()
    marked = flag.codes == yes[0]
    labels = np.unique(column.codes[marked])
    if (labels < 0).any() or np.isin(column.codes[~marked], labels).any():
        return ()
    return tuple(column.labels[i] for i in labels.tolist())


def _the_one(usable: list[Reading], genes: GeneTable) -> ChosenLabels:
    """Choose between columns that all have controls: the same reading, or the only one that names measured genes."""
    first = usable[0]
    others = [r for r in usable[1:] if not _same(first, r)]
    same = [r.column.name for r in usable[1:] if _same(first, r)]
    if not others:
        aside = f"; {', '.join(map(repr, same))} says the same" if same else ""
        return _explained(first, f"Perturbation column: {first.column.name!r}, known by its name{aside}")
    measured = frozenset(genes.names)
    shares = {r.column.name: r.share_measured(measured) for r in usable}
    best = max(usable, key=lambda r: shares[r.column.name])
    rest = [r for r in usable if not _same(best, r)]
    if shares[best.column.name] >= _MANY and all(shares[r.column.name] < _FEW for r in rest):
        passed = ", ".join(repr(r.column.name) for r in rest)
        return _explained(
            best,
            f"Perturbation column: {best.column.name!r}, whose labels are measured genes, unlike those of {passed}",
        )
    raise _several(usable)


def _same(one: Reading, other: Reading) -> bool:
    return one.perturbations == other.perturbations and bool(np.array_equal(one.codes, other.codes))


def _several(readings: Sequence[Reading]) -> DataError:
    shown = "; ".join(
        f"{r.column.name!r} ({len(r.perturbations)} perturbations, controls {listed(r.controls, n=2)})"
        for r in readings
    )
    problem = f"{len(readings)} columns could name the perturbation and disagree: {shown}."
    return DataError(
        problem,
        cure=f"Say which one: perturbation={readings[0].column.name!r} or perturbation={readings[1].column.name!r}.",
    )


def _by_content(container: Container, genes: GeneTable, *, control: Sequence[str]) -> ChosenLabels:
    """No column bears a known name: take the only one with a control label and mostly measured genes."""
    names = container.cell_columns()
    columns = [column for column in (container.cell_column(name) for name in names) if _could_be_labels(column)]
    readings = [r for r in (read_labels(column, genes, controls=control) for column in columns) if r.is_usable]
    found = [r for r in readings if r.share_measured(frozenset(genes.names)) >= _MANY]
    if found and all(_same(found[0], r) for r in found[1:]):
        return _explained(
            found[0],
            f"Perturbation column: {found[0].column.name!r}, the only one with control labels and measured genes",
        )
    if len(found) > 1:
        raise _several(found)
    problem = f"{container.name} has no cell column that could name the perturbation; it has {', '.join(map(repr, names)) or 'none'}."
    across = find_columns(container.gene_columns(container.places()[0]), PERTURBATION_NAMES[:3])
    if across:
        problem = f"{container.name} lies genes x cells: its gene table has the column {across[0]!r}, which names perturbations."
        raise DataError(problem, cure="Turn it around and write it again: adata.T.write_h5ad('screen.h5ad').")
    if set(names) <= {"gem_group", "file"}:
        raise DataError(
            problem, cure="Pass a table of the cells with their barcodes and labels (cells=TABLE, --cells TABLE)."
        )
    raise DataError(problem, cure="Say which column it is (perturbation=) and which label is the control (control=).")


def _could_be_labels(column: Column) -> bool:
    return column.kind == "text" and 1 < column.n_levels <= max(len(column.codes) // 2, 2)


def _explained(reading: Reading, why: str) -> ChosenLabels:
    n_pairs = sum(len(name.genes) > 1 for name in reading.perturbations)
    what = f"{len(reading.perturbations)} perturbations" + (f", {n_pairs} of them combinations" if n_pairs else "")
    kind = "Control label" if len(reading.controls) == 1 else f"{len(reading.controls)} control labels"
    return ChosenLabels(
        reading=reading, explanation=(f"{why} ({what}).", f"{kind}: {listed(reading.controls, n=5)} cells.")
    )
