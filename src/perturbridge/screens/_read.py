"""`read_screen`: from a path or an AnnData object to a Screen, with every decision said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from perturbridge._checks import one_of
from perturbridge.errors import DataError
from perturbridge.values import Finding, Screen

from .files._open import open_container
from .files._source_csc import CscSource
from .meaning._agreement import matrices_agree
from .meaning._detect import choose_labels
from .meaning._genes import read_genes
from .meaning._groups import choose_groups
from .meaning._known_faults import known_faults
from .meaning._place import ChosenPlace, choose_place
from .meaning._presets import preset_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from perturbridge.values import CountSource

    from .files._container import Container

__all__ = ["open_source", "read_screen"]


def read_screen(  # noqa: PLR0913 one keyword for each thing a file may call by its own name
    source: str | Path | Sequence[str | Path] | object,
    *,
    cells: str | Path | None = None,
    preset: str | None = None,
    perturbation: str | None = None,
    control: str | Sequence[str] | None = None,
    context: str | None = None,
    sample: str | None = None,
    state: str | None = None,
    genes: str | None = None,
    place: str | None = None,
    x_is: Literal["counts", "log1p"] | None = None,
    target_sum: float = 1e4,
) -> Screen:
    """Open a screen: read its labels, find out what its values are, and leave the values where they are.

    What is not named is detected; `Screen.explanation` says what was chosen and why. Where several answers are possible, or none
    is, nothing is chosen: the error lists them. Of the values only cells spread over the file are looked at here; every value
    is checked when it is read.

    Parameters
    ----------
    source
        An `.h5ad` file, a zarr store (folder or zip), a 10x `.h5` file, a loom file, a folder with the three files of 10x or with
        `X.mtx`, `meta.csv` and `genes.tsv` (each may end in `.gz`), or an AnnData object; several files as one screen by a list of
        paths, a folder of them or a pattern such as `"plates/*.h5ad"`.
    cells
        A table of the cells (csv, tsv or parquet), matched by barcode, where the labels are not in the file itself; beside a 10x
        matrix `protospacer_calls_per_cell.csv` is found by itself.
    preset
        The name of one of `PRESETS`, or the path of a TOML file with the same fields; what is named beside it wins.
    perturbation
        Cell column that names the perturbation.
    control
        Labels of the control cells that are the baseline, or kinds of them: `"non-targeting"`, `"safe-targeting"`, `"intergenic"`,
        `"reporter"`, `"untreated"`, `"control"`. By default every usual spelling of one kind, the first of non-targeting, control,
        safe-targeting, intergenic, reporter and untreated that occurs. Controls of other kinds are kept apart (`Screen.other_controls`).
    context
        Cell column of the technical grouping whose controls a cell is compared with; several joined by commas for their
        combinations; `"none"` for one context.
    sample, state
        Cell columns of the unit to hold out as a whole and of the biology to keep, or `"none"`.
    genes
        Gene column to take the names from.
    place
        `"X"`, `"raw/X"`, `"layers/NAME"` or the name of a layer; by default a layer of counts, raw/X, X: the first with counts.
    x_is
        What the values are, where detection cannot know.
    target_sum
        Counts per cell after scaling.

    Returns
    -------
    Screen
        With explanation and findings.

    Raises
    ------
    DataError
        If the source cannot be read, holds no cell or no gene, has no control label, has duplicated gene names, or leaves open
        which column or matrix to use.
    """
    if preset is not None:
        preset_named(preset)
    if not target_sum > 0:
        problem = f"target_sum is {target_sum}."
        raise DataError(problem, cure="Use a positive number of counts per cell, such as 1e4.")
    if x_is is not None:
        one_of("x_is", x_is, ("counts", "log1p"))
    container = open_container(source, cells=cells)
    recipe = None if preset is None else preset_named(preset)
    controls = () if control is None else (control,) if isinstance(control, str) else tuple(control)
    _refuse_empty(container)
    where = choose_place(container, place=place, x_is=x_is, target_sum=target_sum)
    table = read_genes(container, where.normalization.place, column=genes)
    labels = choose_labels(container, table, perturbation=perturbation, control=controls, preset=recipe)
    reading = labels.reading
    groups = choose_groups(container, reading.codes, context=context, sample=sample, state=state, preset=recipe)
    values = container.source(where.normalization.place, gene_names=table.names)
    return Screen(
        source=values,
        genes=table.names,
        perturbations=reading.perturbations,
        perturbation_codes=reading.codes,
        normalization=where.normalization,
        context=groups.context,
        sample=groups.sample,
        state=groups.state,
        gene_ids=table.ids,
        preset="explicit" if perturbation or controls or context else preset or "detected",
        perturbation_column=reading.column.name,
        control_labels=tuple(reading.controls),
        control_kinds=reading.control_kinds(),
        other_controls=reading.other_controls(),
        explanation=(*labels.explanation, *groups.explanation, where.explanation, table.explanation),
        findings=(
            *container.findings,
            *reading.findings(),
            *table.findings,
            *_value_findings(values, where, target_sum),
            *(matrices_agree(container, where.normalization.place) if where.normalization.kind == "counts" else ()),
            *known_faults(labels),
        ),
    )


def open_source(path: str | Path, place: str) -> CountSource:
    """Open one matrix for reading by cell, for a process that was given a path instead of a screen.

    Parameters
    ----------
    path
        The file or folder.
    place
        `Normalization.place` of the screen.

    Raises
    ------
    DataError
        If it cannot be read or has no matrix there.
    """
    container = open_container(path)
    one_of("place", place, container.places())
    return container.source(place)


def _refuse_empty(container: Container) -> None:
    n_genes = [len(container.gene_names(place)) for place in container.places()[:1]]
    if container.n_cells == 0 or 0 in n_genes:
        problem = f"{container.name} is empty: {container.n_cells} cells, {n_genes[0]} genes."
        raise DataError(problem, cure="Check the filter that made this file.")


def _value_findings(values: CountSource, where: ChosenPlace, target_sum: float) -> list[Finding]:
    found = []
    if isinstance(values, CscSource):
        message = (
            f"{where.normalization.place} is stored by gene (CSC); reading by cell takes {values.n_passes + 1} passes over the file. "
            "Written as CSR it takes one."
        )
        found.append(Finding(level="info", code="stored_by_gene", message=message, count=values.n_passes + 1))
    if where.total and abs(where.total - target_sum) > 0.02 * target_sum:
        message = f"The log1p values were taken at {where.total:,.0f} counts per cell, not {target_sum:,.0f}; effects are in that unit."
        found.append(Finding(level="warning", code="library_size", message=message, count=round(where.total)))
    return found
