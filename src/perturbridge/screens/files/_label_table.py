"""A table of the cells in a text file: labels without counts."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from perturbridge.errors import DataError

from ._column import Column, column_of_values

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LabelTable", "open_label_table"]


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelTable:
    """Labels of cells.

    Parameters
    ----------
    name
        The file.
    table
        Text `(n_cells, n_columns)`.
    """

    name: str
    table: pd.DataFrame

    @property
    def n_cells(self) -> int:
        """Rows of the table."""
        return len(self.table)

    def cell_columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        return tuple(str(name) for name in self.table.columns)

    def cell_column(self, name: str) -> Column:
        """One of its columns."""
        return column_of_values(name, self.table[name].to_numpy(dtype=object))

    def in_order_of(self, names: Sequence[str]) -> LabelTable:
        """Return the rows in the order of these cells, where a column holds their names; the table as it is where none does.

        Raises
        ------
        DataError
            If a column holds most of the names, but not all.
        """
        wanted = set(names)
        for column in self.table.columns:
            keys = self.table[column]
            shared = len(wanted & set(keys))
            if not names or shared < 0.5 * len(wanted):
                continue
            if shared < len(wanted) or keys.duplicated().any():
                problem = (
                    f"Column {column!r} of {self.name!r} names {shared:,} of the {len(wanted):,} cells of the latent."
                )
                raise DataError(problem, cure="Give one row of labels for each cell of the latent.")
            rows = self.table.set_index(column, drop=False).loc[list(names)].reset_index(drop=True)
            return LabelTable(name=self.name, table=rows)
        return self


def open_label_table(path: str | Path) -> LabelTable:
    """Read a table of the cells: csv, tsv or txt (also `.gz`), or parquet; everything as text.

    Raises
    ------
    DataError
        If it cannot be read as a table.
    """
    path = Path(path)
    if not path.is_file():
        problem = f"There is no file {str(path)!r}."
        raise DataError(problem, cure="Check the path.")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path).reset_index().astype(str).rename(columns=str)
        else:
            separator = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
            table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError, EOFError, zlib.error) as error:
        problem = f"{str(path)!r} cannot be read as a table: {' '.join(str(error).split())[:200]}."
        raise DataError(problem, cure="Use csv, tsv or parquet with a header and one row per cell.") from error
    table = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    return LabelTable(name=str(path), table=table)
