"""Loom files: a dense matrix genes x cells, with the cell table in `col_attrs` and the gene table in `row_attrs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

from ._column import Column, column_of_values
from ._h5 import child, data_set, open_file, read_all, read_texts
from ._node import is_array, is_group
from ._source_h5 import H5Source

if TYPE_CHECKING:
    from perturbridge.values import CountSource, Finding

    from ._node import Group

__all__ = ["LoomFile", "is_loom", "open_loom"]

_CELLS, _GENES = "col_attrs", "row_attrs"
_CELL_NAMES = ("CellID", "cell_id", "obs_names", "cell_names", "barcode", "index")
_GENE_NAMES = ("Gene", "gene", "var_names", "gene_names", "Accession", "index")


@dataclass(frozen=True, eq=False, kw_only=True)
class LoomFile:
    """Tables and matrices of a loom file.

    Parameters
    ----------
    path
        The file.
    shape
        `(n_cells, n_genes)`.
    layers
        Names of the matrices beside the main one.
    cell_index, gene_index
        Attributes that hold the names; empty where cells have none.
    """

    path: str
    shape: tuple[int, int]
    layers: tuple[str, ...]
    cell_index: str
    gene_index: str
    logged: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The path."""
        return self.path

    @property
    def n_cells(self) -> int:
        """Columns of the matrix."""
        return self.shape[0]

    def cell_names(self) -> tuple[str, ...]:
        """Names of the cells, or none."""
        return self._texts(_CELLS, self.cell_index) if self.cell_index else ()

    def cell_columns(self) -> tuple[str, ...]:
        """Column attributes with one value per cell."""
        return self._vectors(_CELLS, self.cell_index)

    def cell_column(self, name: str) -> Column:
        """One column attribute."""
        with open_file(self.path) as file:
            return column_of_values(name, read_all(data_set(child(file, _CELLS), name), length=self.shape[0]))

    def places(self) -> tuple[str, ...]:
        """The main matrix and the layers."""
        return ("X", *(f"layers/{name}" for name in self.layers))

    def gene_columns(self, place: str) -> tuple[str, ...]:  # noqa: ARG002 all matrices share one table
        """Row attributes with one value per gene."""
        return self._vectors(_GENES, self.gene_index)

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:  # noqa: ARG002 all matrices share one table
        """One row attribute as text, or the names."""
        return self._texts(_GENES, column or self.gene_index)

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:
        """A reader for the matrix at a place.

        Raises
        ------
        DataError
            If its shape is not that of the main matrix.
        """
        key = "matrix" if place == "X" else place
        with open_file(self.path) as file:
            if data_set(file, key).shape != self.shape[::-1]:
                problem = f"{key!r} of {self.path!r} has another shape than its main matrix."
                raise DataError(problem, cure="The file is damaged: write it again.")
        return H5Source(
            path=self.path,
            key=key,
            place=place,
            shape=self.shape,
            pointers=None,
            whole=self.shape[::-1],
            gene_names=gene_names,
            turned=True,
        )

    def _vectors(self, part: str, index: str) -> tuple[str, ...]:
        with open_file(self.path) as file:
            table = child(file, part)
            return tuple(n for n in table if n != index and is_array(table[n]) and len(table[n].shape) == 1)

    def _texts(self, part: str, name: str) -> tuple[str, ...]:
        n_rows = self.shape[0] if part == _CELLS else self.shape[1]
        with open_file(self.path) as file:
            return read_texts(data_set(child(file, part), name), length=n_rows)


def is_loom(file: Group) -> bool:
    """True for a file with a matrix and the two tables of attributes."""
    return is_array(file.get("matrix")) and is_group(file.get(_CELLS)) and is_group(file.get(_GENES))


def open_loom(path: str) -> LoomFile:
    """Look into a loom file.

    Raises
    ------
    DataError
        If the matrix has not two axes, or no row attribute holds gene names.
    """
    with open_file(path) as file:
        main = data_set(file, "matrix")
        if len(main.shape) != 2:
            problem = f"The matrix of {path!r} has {len(main.shape)} axes, expected genes x cells."
            raise DataError(problem, cure="The file is damaged: write it again.")
        layers = file.get("layers")
        found = [
            next((n for n in names if n in file[part]), "")
            for part, names in ((_CELLS, _CELL_NAMES), (_GENES, _GENE_NAMES))
        ]
        if not found[1]:
            problem = (
                f"{path!r} has no gene names: its row attributes are {', '.join(map(repr, file[_GENES])) or 'none'}."
            )
            raise DataError(problem, cure="Name the genes in a row attribute 'Gene'.")
        return LoomFile(
            path=path,
            shape=(int(main.shape[1]), int(main.shape[0])),
            layers=tuple(layers) if is_group(layers) else (),
            cell_index=found[0],
            gene_index=found[1],
        )
