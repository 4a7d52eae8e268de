"""Writing h5ad files so that every reader of the field understands them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from perturbridge._files import atomic_file
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray

    from perturbridge.values import RowChunk

__all__ = ["plain_strings", "write_anndata", "write_csr"]

VALUES_PER_BLOCK = 2**18


@contextmanager
def plain_strings(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file that becomes `path`; text is written as plain string arrays, which R and older readers understand.

    Raises
    ------
    DataError
        If the folder cannot be written, or a name holds a character that HDF5 cannot store.
    """
    # Takes a second to load, and whoever only reads and sums a screen has no use for it.
    from anndata import settings

    with atomic_file(path) as temporary, settings.override(allow_write_nullable_strings=False):
        try:
            yield temporary
        except ValueError as error:
            problem = f"{path} cannot be written: {error}."
            cure = "Remove NUL characters and broken Unicode from the names."
            raise DataError(problem, cure=cure) from error


def write_anndata(table: ad.AnnData, path: str | Path) -> None:
    """Write a table as h5ad; the file appears whole or not at all.

    Raises
    ------
    DataError
        As `plain_strings`.
    """
    with plain_strings(path) as temporary:
        table.write_h5ad(temporary, convert_strings_to_categoricals=False)


def write_csr(
    path: str | Path,
    chunks: Iterable[RowChunk],
    *,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    uns: Mapping[str, Any],
) -> None:
    """Write an h5ad whose X is a CSR matrix, chunk by chunk, so that it may be larger than memory.

    Parameters
    ----------
    path
        The file appears whole or not at all.
    chunks
        All cells in order.
    obs, var
        Tables of cells and genes.
    uns
        Plain values, text and arrays.

    Raises
    ------
    DataError
        As `plain_strings`, or if the chunks do not hold one row per cell.
    """
    from anndata.io import write_elem

    with plain_strings(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(file, "obs", obs)
        write_elem(file, "var", var)
        write_elem(file, "uns", dict(uns))
        for empty in ("layers", "obsm", "obsp", "varm", "varp"):
            write_elem(file, empty, {})
        _write_rows(file.create_group("X"), chunks, shape=(len(obs), len(var)))


def _write_rows(group: h5py.Group, chunks: Iterable[RowChunk], *, shape: tuple[int, int]) -> None:
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array(shape)})
    pointers: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
    stored = 0
    for chunk in chunks:
        _append(group, "indices", chunk.indices)
        _append(group, "data", chunk.data)
        pointers.append(chunk.indptr[1:] + stored)
        stored += len(chunk.data)
    indptr = np.concatenate(pointers)
    if len(indptr) != shape[0] + 1:
        problem = f"{len(indptr) - 1} rows were written for {shape[0]} cells."
        raise DataError(problem, cure="Give every cell one row, in order.")
    # scipy copies all indices whenever the two differ in type, so pointers are as narrow as indices where they fit.
    narrow = stored <= np.iinfo(np.int32).max and group["indices"].dtype == np.int32
    group.create_dataset("indptr", data=indptr.astype(np.int32) if narrow else indptr)


def _append(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    if name not in group:
        group.create_dataset(name, shape=(0,), maxshape=(None,), chunks=(VALUES_PER_BLOCK,), dtype=values.dtype)
    array = group[name]
    start = len(array)
    array.resize((start + len(values),))
    array[start:] = values
