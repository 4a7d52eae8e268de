"""An h5ad file or a zarr store as a container: only the columns and rows that are asked for are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

from ._guides import GUIDE_COLUMN, guides_finding, guides_of_file, named_by_guides
from ._h5 import child, data_set, open_file
from ._h5_frame import frame_columns, frame_index, frame_length, read_column
from ._node import is_array, is_group
from ._source_csc import CscSource
from ._source_h5 import H5Source, is_matrix, stored_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from perturbridge.values import CountSource, Finding

    from ._column import Column
    from ._h5_frame import Frame
    from ._node import Group

__all__ = ["H5adFile", "open_h5ad"]


@dataclass(frozen=True, kw_only=True)
class H5adFile:
    """Tables and matrices of an h5ad file.

    Parameters
    ----------
    path
        The file.
    n_cells
        Rows of `obs`.
    keys
        Place ▸ where it lies in the file.
    logged
        Whether `uns["log1p"]` exists.
    guides
        Guide ▸ `control` or the gene it hits, where the file says so.
    findings
        That it does.
    """

    path: str
    n_cells: int
    keys: dict[str, str]
    logged: bool
    guides: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The path."""
        return self.path

    def cell_names(self) -> tuple[str, ...]:
        """The index of `obs`."""
        with open_file(self.path) as file:
            return frame_index(_frame(file, "obs"), n_rows=self.n_cells)

    def cell_columns(self) -> tuple[str, ...]:
        """Names of the columns of `obs`."""
        with open_file(self.path) as file:
            return frame_columns(_frame(file, "obs"))

    def cell_column(self, name: str) -> Column:
        """One column of `obs`; guides that the file explains stand for what they are."""
        with open_file(self.path) as file:
            column = read_column(_frame(file, "obs"), name, n_rows=self.n_cells)
        return named_by_guides(column, self.guides) if self.guides and name == GUIDE_COLUMN else column

    def places(self) -> tuple[str, ...]:
        """Where matrices lie."""
        return tuple(self.keys)

    def gene_columns(self, place: str) -> tuple[str, ...]:
        """Names of the columns of `var`, or of `raw/var`."""
        with open_file(self.path) as file:
            return frame_columns(_frame(file, self._genes_key(place)))

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:
        """One column of `var` or `raw/var` as text, or its index."""
        with open_file(self.path) as file:
            frame = _frame(file, self._genes_key(place))
            n_genes = frame_length(frame)
            if column is None:
                return frame_index(frame, n_rows=n_genes)
            read = read_column(frame, column, n_rows=n_genes)
        return tuple(read.labels[code] if code >= 0 else "" for code in read.codes.tolist())

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:
        """A reader for the matrix at a place.

        Raises
        ------
        DataError
            If its shape is not that of the cell and gene tables.
        """
        key = self.keys[place]
        with open_file(self.path) as file:
            stored = stored_matrix(file, key)
            n_genes = frame_length(_frame(file, self._genes_key(place)))
        if stored.shape != (self.n_cells, n_genes):
            problem = f"{place} of {self.path!r} is {stored.shape[0]} x {stored.shape[1]}, but the tables name {self.n_cells} cells and {n_genes} genes."
            raise DataError(problem, cure="The file is damaged or was written wrongly: write it again from its source.")
        if stored.layout == "csc":
            return CscSource(self.path, key, place=place, gene_names=gene_names)
        return H5Source.open(self.path, key, place=place, gene_names=gene_names)

    def _genes_key(self, place: str) -> str:
        key = self.keys.get(place, "")
        return f"{key[:-1]}var" if place == "raw/X" else "var"


def open_h5ad(path: str | Path) -> H5adFile:
    """Look into an h5ad file.

    Raises
    ------
    DataError
        If it is missing, is not HDF5, is cut short, is another kind of HDF5 file, or holds no matrix.
    """
    with open_file(path) as file:
        if "obs" not in file or "var" not in file:
            inside = ", ".join(map(repr, list(file)[:6])) or "nothing"
            problem = f"{str(path)!r} is neither an h5ad, a 10x nor a loom file: no cell and gene tables (obs, var), but {inside}."
            cure = "Build an AnnData object with the perturbation of each cell in obs and write it as .h5ad."
            if "mod" in file:
                cure = (
                    "It holds several modalities: write the one with the counts, mdata['rna'].write_h5ad('rna.h5ad')."
                )
            raise DataError(problem, cure=cure)
        keys = {"X": "X", "raw/X": "raw/X" if is_group(file.get("raw")) else "raw.X"}
        layers = file.get("layers")
        if is_group(layers):
            keys |= {f"layers/{name}": f"layers/{name}" for name in layers}
        keys = {place: key for place, key in keys.items() if is_matrix(file.get(key))}
        if not keys:
            problem = f"{str(path)!r} holds no matrix in X, raw/X or layers."
            raise DataError(problem, cure="Write the counts into X or layers['counts'].")
        uns = file.get("uns")
        guides = guides_of_file(file)
        return H5adFile(
            path=str(path),
            n_cells=frame_length(_frame(file, "obs")),
            keys=keys,
            logged=is_group(uns) and "log1p" in uns,
            guides=guides,
            findings=guides_finding(guides),
        )


def _frame(file: Group, key: str) -> Frame:
    frame = child(file, key)
    return data_set(file, key) if is_array(frame) else frame
