"""Labels of cells in a table of their own, matched by barcode: what Cell Ranger and the depositories of sequence data give."""

from __future__ import annotations

import csv
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perturbridge.errors import DataError
from perturbridge.values import Finding

from ._column import Column, column_of_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import CountSource

    from ._container import Container

__all__ = ["WithCells", "find_cell_table", "with_cells"]

_BARCODES = ("cell_barcode", "barcode", "barcodes", "cell", "cells", "cell_id", "cellid", "cell_name", "index", "")
_BESIDE = ("protospacer_calls_per_cell.csv", "cell_identities.csv", "cell_metadata.csv")
_LIBRARY = re.compile(r"-\d+$")
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class WithCells:
    """A container whose cell table is widened by another table.

    Parameters
    ----------
    inner
        The container.
    table
        Text columns `(n_cells, n_columns)` in the order of the cells, empty where a cell is not in the table.
    findings
        Those of the container, and how the cells were matched.
    """

    inner: Container
    table: pd.DataFrame
    findings: tuple[Finding, ...]

    @property
    def path(self) -> str | None:
        """That of the container."""
        return self.inner.path

    @property
    def name(self) -> str:
        """That of the container."""
        return self.inner.name

    @property
    def n_cells(self) -> int:
        """That of the container."""
        return self.inner.n_cells

    @property
    def logged(self) -> bool:
        """That of the container."""
        return self.inner.logged

    def cell_names(self) -> tuple[str, ...]:
        """Those of the container."""
        return self.inner.cell_names()

    def cell_columns(self) -> tuple[str, ...]:
        """Columns of the table, then those of the container that it does not have."""
        own = tuple(str(name) for name in self.table.columns)
        return (*own, *(name for name in self.inner.cell_columns() if name not in own))

    def cell_column(self, name: str) -> Column:
        """One column; the table wins over the container."""
        if name in self.table:
            return column_of_values(name, self.table[name].to_numpy(dtype=object))
        return self.inner.cell_column(name)

    def places(self) -> tuple[str, ...]:
        """Those of the container."""
        return self.inner.places()

    def gene_columns(self, place: str) -> tuple[str, ...]:
        """Those of the container."""
        return self.inner.gene_columns(place)

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:
        """Those of the container."""
        return self.inner.gene_names(place, column)

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:
        """That of the container."""
        return self.inner.source(place, gene_names=gene_names)


def find_cell_table(path: Path) -> Path | None:
    """Return the table of guide calls that lies beside a 10x matrix, or in the folder `crispr_analysis` next to it."""
    beside = path if path.is_dir() else path.parent
    for folder in (beside, beside / "crispr_analysis", beside.parent / "crispr_analysis"):
        for name in (*_BESIDE, *(f"{name}.gz" for name in _BESIDE)):
            if (folder / name).is_file():
                return folder / name
    return None


def with_cells(container: Container, path: str | Path) -> WithCells:
    """Match a table of the cells by barcode.

    Several rows of one cell, as in a list of cell and guide, are joined by `+`. Where few barcodes match, they are tried
    again without the library number (`-1`) behind them.

    Parameters
    ----------
    container
        The cells.
    path
        csv, tsv or parquet, also `.gz`; its barcodes are in a column named so, or in the one that matches.

    Raises
    ------
    DataError
        If it cannot be read, the cells have no names or not unique ones, or no column holds their barcodes.
    """
    table = _read(Path(path))
    names = container.cell_names()
    if len(set(names)) < container.n_cells:
        problem = f"{container.name} has {container.n_cells:,} cells and {len(set(names)):,} names for them, so that {str(path)!r} cannot be matched."
        raise DataError(
            problem, cure="Make the cell names unique, for example with the number of the plate behind them."
        )
    column, keys, wanted = _barcode_column(table, names, path=str(path))
    joined, n_many = _one_row_each(table.drop(columns=column), keys)
    at = pd.Index(joined.index).get_indexer(pd.Index(list(wanted), dtype=object))
    filled = joined.reindex(list(wanted)).fillna("").reset_index(drop=True)
    return WithCells(
        inner=container,
        table=filled,
        findings=(*container.findings, *_findings(at, len(joined), n_many, path=str(path))),
    )


def _read(path: Path) -> pd.DataFrame:
    name = path.name.removesuffix(".gz")
    try:
        if name.endswith((".parquet", ".pq")):
            read = pd.read_parquet(path)
            table = read if isinstance(read.index, pd.RangeIndex) else read.reset_index()
            return table.astype("object").fillna("").astype(str).rename(columns=str)
        separator = "\t" if name.endswith((".tsv", ".txt")) else ","
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError, EOFError, zlib.error, csv.Error) as error:
        problem = f"{str(path)!r} cannot be read as a table: {' '.join(str(error).split())[:200]}."
        raise DataError(problem, cure="Pass csv, tsv or parquet with a header and one row per cell.") from error


def _barcode_column(table: pd.DataFrame, names: Sequence[str], *, path: str) -> tuple[str, list[str], tuple[str, ...]]:
    """Return the column of barcodes, its entries, and the names of the cells in the same spelling."""
    bare = tuple(_LIBRARY.sub("", name) for name in names)
    usual = [c for c in table.columns if c.casefold().replace(" ", "_") in _BARCODES or c.startswith("Unnamed: ")]
    best: tuple[float, str, list[str], tuple[str, ...]] = (0.0, "", [], ())
    for column in dict.fromkeys([*usual, *table.columns]):
        keys = table[column].tolist()
        for spelled, wanted in ((keys, tuple(names)), ([_LIBRARY.sub("", key) for key in keys], bare)):
            # Without their numbers the barcodes of several libraries may coincide.
            share = len(set(spelled) & set(wanted)) / max(min(len(set(spelled)), len(names)), 1)
            if share > best[0] and len(set(wanted)) == len(names):
                best = share, str(column), spelled, wanted
        if best[0] >= _MOSTLY:
            return best[1:]
    problem = f"No column of {path!r} holds the names of the cells: {best[0]:.0%} match at best; the cells are called {', '.join(map(repr, names[:2]))}, the columns are {', '.join(map(repr, table.columns[:6]))}."
    raise DataError(problem, cure="Add a column 'barcode' with the names of the cells as the matrix has them.")


def _one_row_each(table: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, int]:
    indexed = table.set_axis(pd.Index(keys, dtype=object), axis=0)
    many = indexed.index.duplicated(keep=False)
    if not many.any():
        return indexed, 0
    joined = indexed[many].groupby(level=0, sort=False).agg(_together)
    return pd.concat([indexed[~many], joined]), len(joined)


def _together(labels: pd.Series[Any]) -> str:
    return "+".join(dict.fromkeys(labels))


def _findings(at: NDArray[np.int64], n_rows: int, n_many: int, *, path: str) -> list[Finding]:
    n_without = int(np.count_nonzero(at < 0))
    n_unused = n_rows - (len(at) - n_without)
    message = f"Cells are labeled by {path!r}: {len(at) - n_without:,} of {len(at):,} are in it, {n_unused:,} of its rows are no cell of the matrix."
    found = [Finding(level="warning" if n_without else "info", code="cell_table", message=message, count=n_without)]
    if n_many:
        message = f"{n_many:,} cells have several rows in {path!r}; their labels are joined by '+'."
        found.append(Finding(level="info", code="several_rows_per_cell", message=message, count=n_many))
    return found
