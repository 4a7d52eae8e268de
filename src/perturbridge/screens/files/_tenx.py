"""10x `.h5` files, of Cell Ranger 2 (one group per genome) and 3 (one group `matrix`); cells are read on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

from ._features import GEM_GROUP, expressed, gem_groups
from ._h5 import child, data_set, open_file, read_all, read_texts
from ._node import is_array, is_group
from ._source_h5 import H5Source
from ._source_picked import PickedGenes
from ._validate import check_indptr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perturbridge.values import CountSource, Finding

    from ._column import Column
    from ._node import Group

__all__ = ["TenxFile", "is_tenx", "open_tenx"]

_PARTS = ("barcodes", "data", "indices", "indptr", "shape")


@dataclass(frozen=True, eq=False, kw_only=True)
class TenxFile:
    """Tables and the matrix of a 10x file.

    Parameters
    ----------
    path
        The file.
    barcodes
        Names of the cells.
    symbols, ids
        Names and stable ids of the genes `(n_genes,)`.
    columns
        Where the genes lie among all features `(n_genes,)`.
    inner
        Reads all features.
    findings
        Features left out.
    """

    path: str
    barcodes: tuple[str, ...]
    symbols: tuple[str, ...]
    ids: tuple[str, ...]
    columns: NDArray[np.int64]
    inner: H5Source
    findings: tuple[Finding, ...] = ()
    logged: bool = False

    @property
    def name(self) -> str:
        """The path."""
        return self.path

    @property
    def n_cells(self) -> int:
        """Barcodes."""
        return len(self.barcodes)

    def cell_names(self) -> tuple[str, ...]:
        """Barcodes."""
        return self.barcodes

    def cell_columns(self) -> tuple[str, ...]:
        """The library, where the barcodes name several."""
        return () if gem_groups(self.barcodes) is None else (GEM_GROUP,)

    def cell_column(self, name: str) -> Column:
        """The library of each cell."""
        column = gem_groups(self.barcodes)
        if column is None or name != GEM_GROUP:
            problem = f"{self.path!r} has no cell column {name!r}."
            raise DataError(problem, cure="Pass a table of the cells (cells=).")
        return column

    def places(self) -> tuple[str, ...]:
        """The one matrix."""
        return ("X",)

    def gene_columns(self, place: str) -> tuple[str, ...]:  # noqa: ARG002 there is one matrix only
        """The column of symbols; the index holds ids, which alone are unique."""
        return ("gene_name",)

    def gene_names(self, place: str, column: str | None = None) -> tuple[str, ...]:  # noqa: ARG002 there is one matrix only
        """Ids, or symbols."""
        return self.ids if column is None else self.symbols

    def source(self, place: str, *, gene_names: tuple[str, ...] = ()) -> CountSource:  # noqa: ARG002 there is one matrix only
        """A reader for the matrix."""
        if len(self.columns) == self.inner.shape[1]:
            return self.inner
        return PickedGenes(self.inner, self.columns)


def is_tenx(file: Group) -> bool:
    """True for a file with the parts of a 10x matrix, in `matrix` or in groups named like genomes."""
    return bool(_groups(file))


def _groups(file: Group) -> list[str]:
    return [name for name in file if is_group(file[name]) and all(is_array(file[name].get(part)) for part in _PARTS)]


def open_tenx(path: str) -> TenxFile:
    """Look into a 10x file.

    Raises
    ------
    DataError
        If it holds several genomes, or its parts do not belong together.
    """
    with open_file(path) as file:
        groups = _groups(file)
        if len(groups) != 1:
            problem = f"{path!r} holds the matrices of {len(groups)} genomes: {', '.join(map(repr, groups))}."
            raise DataError(problem, cure="Keep the genome of the perturbed cells, and write it as .h5ad.")
        group = child(file, groups[0])
        barcodes = read_texts(data_set(group, "barcodes"))
        ids, symbols, types = _features(group)
        shape = read_all(data_set(group, "shape"), length=2)
        if shape.tolist() != [len(ids), len(barcodes)]:
            problem = f"The matrix of {path!r} is {shape.tolist()}, but {len(ids)} features and {len(barcodes)} barcodes are named."
            raise DataError(problem, cure="The file is damaged: copy it again.")
        values = data_set(group, "data")
        pointers = check_indptr(
            read_all(data_set(group, "indptr")), n_rows=len(barcodes), n_values=int(values.shape[0]), name=repr(path)
        )
    columns, findings = expressed(types, where=repr(path))
    # Features x barcodes by column is cells x genes by row.
    inner = H5Source(
        path=path,
        key=groups[0],
        place="X",
        shape=(len(barcodes), len(ids)),
        pointers=pointers,
        whole=(int(values.shape[0]),),
        gene_names=ids,
    )
    return TenxFile(
        path=path,
        barcodes=barcodes,
        symbols=tuple(symbols[i] for i in columns.tolist()),
        ids=tuple(ids[i] for i in columns.tolist()),
        columns=columns,
        inner=inner,
        findings=findings,
    )


def _features(group: Group) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return ids, symbols and types of the features; version 2 has genes alone."""
    if "features" in group:
        table = child(group, "features")
        ids, symbols, types = (read_texts(data_set(table, part)) for part in ("id", "name", "feature_type"))
    else:
        ids, symbols = (read_texts(data_set(group, part)) for part in ("genes", "gene_names"))
        types = ("",) * len(ids)
    if not len(ids) == len(symbols) == len(types):
        problem = f"{group.name!r} names {len(ids)} ids, {len(symbols)} symbols and {len(types)} types of features."
        raise DataError(problem, cure="The file is damaged: copy it again.")
    return ids, symbols, types
