"""A matrix as text with its tables in one folder: `X.mtx`, `meta.csv`, `genes.tsv`, or the three files of 10x."""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from perturbridge.errors import DataError
from perturbridge.screens.meaning._genes import is_ensembl
from perturbridge.values import Finding

from ._column import Column, column_of_values
from ._features import expressed, gem_groups
from ._market import market_header, read_market
from ._source_market import MarketSource, Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from perturbridge.values import CountSource

__all__ = ["Bridge", "is_bridge", "open_bridge"]

_INDEX_NAMES = ("", "cell", "cells", "cell_id", "barcode", "barcodes", "cell_barcode", "index", "_index")
_MATRICES = ("X.mtx", "matrix.mtx")
_CELL_TABLES = ("meta.csv", "metadata.csv", "cells.csv", "barcodes.tsv")
_GENE_TABLES = ("genes.tsv", "features.tsv")
_TOTALS = (
    "ncounts",
    "ncount_rna",
    "n_counts",
    "total_counts",
    "umi_count",
    "n_umi",
    "numi",
    "total_umis",
    "umi_counts",
)


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """Tables of a folder and where its matrix lies, which is read when a cell is asked for.

    Parameters
    ----------
    path
        The folder.
    cells
        `meta.csv` as text, `(n_cells, n_columns)`.
    cell_names_
        Its index or the barcodes, or empty.
    genes
        `genes.tsv` as text, `(n_genes, n_columns)`; the first column is the index.
    market, turned
        The text matrix, and whether it lies genes x cells.
    kept
        Its columns that are genes `(n_genes,)`, None for all.
    shelf
        Holds the matrices of a screen that are in memory.
    findings
        How the matrix lay in its file, and what beside genes was left out of it.
    """

    path: str
    cells: pd.DataFrame
    cell_names_: tuple[str, ...]
    genes: pd.DataFrame
    market: Path
    turned: bool
    kept: NDArray[np.int64] | None
    shelf: Shelf
    findings: tuple[Finding, ...]
    logged: bool = False

    @property
    def name(self) -> str:
        """The folder."""
        return self.path

    @property
    def n_cells(self) -> int:
        """Rows of `meta.csv`."""
        return len(self.cells)

    def cell_names(self) -> tuple[str, ...]:
        """Index of `meta.csv`, or the barcodes."""
        return self.cell_names_

    def cell_columns(self) -> tuple[str, ...]:
        """Names of the columns of `meta.csv`."""
        return tuple(self.cells.columns)

    def cell_column(self, name: str) -> Column:
        """One column of `meta.csv`."""
        return column_of_values(name, self.cells[name].to_numpy(dtype=object))

    def places(self) -> tuple[str, ...]:
        """The one matrix."""
        return ("X",)

    def gene_columns(self, place: str) -> tuple[str, ...]:  # noqa: ARG002 there is one matrix only
        """Names of the columns of `genes.tsv` after the first."""
        return tuple(self.genes.columns[1:])

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:  # noqa: ARG002 there is one matrix only
        """One column of `genes.tsv`, or the first."""
        return tuple(self.genes[self.genes.columns[0] if column is None else column].tolist())

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:
        """A reader for the matrix."""
        return MarketSource(
            self.path,
            shape=(len(self.cells), len(self.genes)),
            read=self._matrix,
            shelf=self.shelf,
            description=f"{self.path}, {place}",
            cell_names=self.cell_names_,
            gene_names=gene_names,
        )

    def _matrix(self) -> csr_matrix[Any]:
        matrix = read_market(self.market, turned=self.turned)
        return matrix if self.kept is None else matrix[:, self.kept]


def is_bridge(folder: Path) -> bool:
    """True for a folder with a matrix under one of the usual names."""
    return _matching(folder, _MATRICES) is not None


def open_bridge(folder: Path, *, shelf: Shelf) -> Bridge:
    """Read the tables of a folder; which side of the matrix holds the cells follows from their lengths.

    The matrix is `X.mtx` or `matrix.mtx`; the cells are in `meta.csv`, or their barcodes in `barcodes.tsv`; the genes in
    `genes.tsv` or `features.tsv`. Each may end in `.gz`, and a prefix that all share (`GSM123_matrix.mtx.gz`) is allowed.

    Raises
    ------
    DataError
        If a file is missing or broken, or the lengths fit neither orientation, or both.
    """
    market, meta, genes = (_find(folder, names) for names in (_MATRICES, _CELL_TABLES, _GENE_TABLES))
    cells, cell_names = _read_barcodes(meta) if "barcodes" in meta.name else _read_cells(meta)
    listed = _read_table(genes, sep="\t", header=None, quoting=csv.QUOTE_NONE)
    header = market_header(market)
    shape = header.shape
    shelf.expect(header.n_values)
    straight = shape[0] == len(cells) and shape[1] in (len(listed), len(listed) - 1)
    turned = shape[1] == len(cells) and shape[0] in (len(listed), len(listed) - 1)
    if not (straight or turned):
        problem = f"{market.name} is {shape[0]} x {shape[1]}, but {meta.name} names {len(cells)} cells and {genes.name} has {len(listed)} lines."
        raise DataError(
            problem,
            cure=f"Make one line of {meta.name} (after its header, where it has one) for each cell and one line of {genes.name} for each gene.",
        )
    if straight and turned:
        straight = _cells_are_rows(read_market(market), cells)
    layout = "cells x genes" if straight else "genes x cells, and was turned around"
    message = f"{market.name} is {shape[0]} x {shape[1]}: {layout}."
    finding = Finding(level="info", code="orientation", message=message, count=shape[0])
    table = _name_columns(listed, has_header=len(listed) == shape[1 if straight else 0] + 1)
    others: tuple[Finding, ...] = ()
    genes_alone: NDArray[np.int64] | None = None
    if "feature_type" in table:
        kept, others = expressed(table["feature_type"].tolist(), where=str(folder))
        genes_alone = None if len(kept) == len(table) else kept
        table = table.iloc[kept]
    return Bridge(
        path=str(folder),
        cells=cells,
        cell_names_=cell_names,
        genes=table,
        market=market,
        turned=not straight,
        kept=genes_alone,
        shelf=shelf,
        findings=(finding, *others),
    )


def _matching(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Return the file of one of these names, plain or gzip, or the only one that ends like them."""
    for name in names:
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    ends = tuple(end for name in names for end in (f"_{name}", f"_{name}.gz", f".{name}", f".{name}.gz"))
    found = sorted(file for file in folder.iterdir() if file.name.endswith(ends)) if folder.is_dir() else []
    if len(found) > 1:
        problem = f"{str(folder)!r} holds {len(found)} files like {names[0]}, the first are {found[0].name!r} and {found[1].name!r}."
        raise DataError(problem, cure="Put the three files of each matrix into a folder of its own.")
    return found[0] if found else None


def _find(folder: Path, names: tuple[str, ...]) -> Path:
    found = _matching(folder, names)
    if found is None:
        problem = f"{str(folder)!r} has no {' and no '.join(names)}, plain or as .gz."
        raise DataError(problem, cure="Put X.mtx, meta.csv and genes.tsv into one folder, or pass a .h5ad file.")
    return found


def _read_barcodes(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the library of each cell where the barcodes name several, and the barcodes."""
    names = tuple(_read_table(path, sep="\t", header=None, quoting=csv.QUOTE_NONE)[0].tolist())
    groups = gem_groups(names)
    table = pd.DataFrame(index=range(len(names)))
    if groups is not None:
        table[groups.name] = [groups.labels[code] for code in groups.codes.tolist()]
    return table, names


def _read_table(path: Path, *, sep: str, header: Literal[0] | None, quoting: Literal[0, 3]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep=sep, header=header, dtype=str, keep_default_na=False, quoting=quoting)
    except (ValueError, OSError, EOFError, zlib.error, csv.Error) as error:
        problem = f"{str(path)!r} cannot be read as a table: {' '.join(str(error).split())[:200]}."
        raise DataError(problem, cure="Write it again as plain text, UTF-8, one line per row.") from error


def _read_cells(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    table = _read_table(path, sep=",", header=0, quoting=csv.QUOTE_MINIMAL)
    table.columns = [str(name) for name in table.columns]
    first = table.columns[0].removeprefix("\ufeff")
    table.columns = [first, *table.columns[1:]]
    if first.casefold() in _INDEX_NAMES or first.startswith("Unnamed: "):
        return table.drop(columns=first), tuple(table[first].tolist())
    return table, ()


def _name_columns(listed: pd.DataFrame, *, has_header: bool) -> pd.DataFrame:
    """Name the columns by the header; without one, ids followed by symbols and types, or symbols alone."""
    if has_header:
        table = listed.iloc[1:].reset_index(drop=True)
        table.columns = [f"{name or 'index'}" for name in listed.iloc[0].tolist()]
        return table
    # 10x lists ids, symbols and types; ids need not be Ensembl's, but alone are unique.
    tenx = listed.shape[1] >= 3 and "Gene Expression" in set(listed.iloc[:, 2])
    second = "gene_name" if tenx or is_ensembl(str(listed.iloc[0, 0])) else "gene_ids"
    table = listed.copy()
    table.columns = ["index", second, "feature_type", *(f"column_{i}" for i in range(4, 99))][: listed.shape[1]]
    return table


def _cells_are_rows(matrix: csr_matrix[Any], cells: pd.DataFrame) -> bool:
    """Tell rows from columns of a square matrix by a column of cell totals in `meta.csv`."""
    sums = [np.asarray(matrix.sum(axis=axis), dtype=np.float64).ravel() for axis in (1, 0)]
    for column in cells.columns:
        if column.casefold() not in _TOTALS:
            continue
        totals = pd.to_numeric(cells[column], errors="coerce").to_numpy(dtype=np.float64)
        fits = [bool(np.allclose(total, totals, rtol=1e-6)) for total in sums]
        if fits[0] != fits[1]:
            return fits[0]
    problem = (
        f"X.mtx is square ({matrix.shape[0]} x {matrix.shape[1]}), so that its shape does not tell cells from genes."
    )
    raise DataError(
        problem, cure="Add the total count of each cell to meta.csv as a column total_counts, or write a .h5ad file."
    )
