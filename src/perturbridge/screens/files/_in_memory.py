"""An AnnData object as a container; its matrices are used where they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from perturbridge.errors import DataError

from ._column import Column, as_texts, column_of_categories, column_of_values
from ._guides import GUIDE_COLUMN, guides_finding, guides_of_uns, named_by_guides
from ._h5ad import open_h5ad
from ._source_array import ArraySource
from ._validate import check_indptr

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from perturbridge.values import CountSource, Finding

    Rows: TypeAlias = NDArray[Any] | sparse.csr_matrix[Any] | sparse.csr_array[Any, Any]

__all__ = ["InMemory", "open_in_memory"]


@dataclass(frozen=True)
class InMemory:
    """Tables and matrices of an AnnData object.

    Parameters
    ----------
    adata
        The object; a backed one is read from its file.
    there
        Where its matrices lie.
    """

    adata: Any
    there: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    _rows: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str | None:
        """The file of a backed object, otherwise None."""
        return str(self.adata.filename) if self.adata.isbacked else None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the AnnData object"

    @property
    def n_cells(self) -> int:
        """Rows of `obs`."""
        return int(self.adata.n_obs)

    @property
    def logged(self) -> bool:
        """True if `uns` has `log1p`."""
        return "log1p" in self.adata.uns

    def cell_names(self) -> tuple[str, ...]:
        """The index of `obs`."""
        return tuple(str(name) for name in self.adata.obs_names)

    def cell_columns(self) -> tuple[str, ...]:
        """Names of the columns of `obs`."""
        return tuple(str(name) for name in self.adata.obs.columns)

    def cell_column(self, name: str) -> Column:
        """One column of `obs`."""
        column = _column(name, self.adata.obs[name])
        return named_by_guides(column, guides_of_uns(self.adata.uns)) if name == GUIDE_COLUMN else column

    def places(self) -> tuple[str, ...]:
        """Where matrices lie."""
        return self.there

    def gene_columns(self, place: str) -> tuple[str, ...]:
        """Names of the columns of the gene table."""
        return tuple(str(name) for name in self._genes(place).columns)

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:
        """One column of the gene table as text, or its index."""
        table = self._genes(place)
        if column is None:
            return tuple(as_texts(np.asarray(table.index, dtype=object), name="the index of the gene table"))
        read = _column(column, table[column])
        return tuple(read.labels[code] if code >= 0 else "" for code in read.codes.tolist())

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:
        """A reader for the matrix at a place.

        Raises
        ------
        DataError
            If the matrix is of a kind that cannot be read by cell.
        """
        if self.adata.isbacked and place in ("X", "raw/X"):
            if self.adata.is_view:
                problem = "The AnnData object is a view of a file."
                raise DataError(problem, cure="Pass adata.to_memory(), or the path of the file.")
            return open_h5ad(self.adata.filename).source(place, gene_names=gene_names)
        if place not in self._rows:
            self._rows[place] = _by_cell(self._matrix(place), name=place)
        return ArraySource(
            self._rows[place],
            f"{self.name}, {place}",
            cell_names=self.adata.obs_names,
            gene_names=gene_names,
        )

    def _genes(self, place: str) -> pd.DataFrame:
        table: pd.DataFrame = self.adata.raw.var if place == "raw/X" else self.adata.var
        return table

    def _matrix(self, place: str) -> object:
        if place == "X":
            return self.adata.X
        return self.adata.raw.X if place == "raw/X" else self.adata.layers[place.removeprefix("layers/")]


def open_in_memory(source: object) -> InMemory:
    """Look into an AnnData object.

    Raises
    ------
    DataError
        If it is something else, or holds no matrix.
    """
    from anndata import AnnData

    if not isinstance(source, AnnData):
        problem = f"A screen cannot be read from a {type(source).__name__}."
        raise DataError(problem, cure="Pass a path to a .h5ad file or a folder, or an AnnData object.")
    main = (("X", source.X is not None), ("raw/X", source.raw is not None))
    layers = tuple(f"layers/{name}" for name in source.layers if name is not None)
    places = (*(place for place, there in main if there), *layers)
    if not places:
        problem = "The AnnData object holds no matrix in X, raw or layers."
        raise DataError(problem, cure="Put the counts into X or layers['counts'].")
    return InMemory(source, places, findings=guides_finding(guides_of_uns(source.uns)))


def _column(name: str, values: pd.Series[Any]) -> Column:
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = as_texts(np.asarray(values.cat.categories), name=f"column {name!r}")
        return column_of_categories(name, categories, np.asarray(values.cat.codes))
    plain = values.to_numpy() if isinstance(values.dtype, np.dtype) else values.to_numpy(dtype=object)
    return column_of_values(name, plain)


def _by_cell(matrix: object, *, name: str) -> Rows:
    """Return a matrix in a form that is read by rows; one stored by gene is turned around, after checking its indices."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix)
    if isinstance(matrix, sparse.csr_matrix | sparse.csr_array):
        return matrix
    if not isinstance(matrix, sparse.csc_matrix | sparse.csc_array):
        problem = f"{name} is a {type(matrix).__name__}, which cannot be read by cell."
        raise DataError(problem, cure="Convert it to a scipy CSR matrix or a numpy array first.")
    check_indptr(matrix.indptr, n_rows=matrix.shape[1], n_values=len(matrix.indices), name=name)
    cells = matrix.indices
    if len(cells) != len(matrix.data) or (len(cells) and (cells.min() < 0 or cells.max() >= matrix.shape[0])):
        problem = f"{name} has cell indices outside 0..{matrix.shape[0] - 1}, or {len(matrix.data)} values for {len(cells)} indices."
        raise DataError(problem, cure="Build the matrix again from its source.")
    return matrix.tocsr()
