"""Vectors in `.h5ad`: X and the names of its rows or columns, read without the rest of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from perturbridge.errors import EmbeddingError

from ._frame import Orientation, table_of_axes
from ._raw import RawTable, check_claim

if TYPE_CHECKING:
    from pathlib import Path

    from perturbridge.values import GeneAliases

__all__ = ["read_hdf5"]


def read_hdf5(path: Path, *, orientation: Orientation, aliases: GeneAliases) -> RawTable:
    """Read X, dense or compressed sparse, with the names along both axes.

    Raises
    ------
    EmbeddingError
        If the file has no X or claims more than it may.
    """
    where = str(path)
    with h5py.File(path, "r") as file:
        missing = [part for part in ("X", "obs", "var") if part not in file]
        if missing:
            problem = f"{path} is HDF5 without {', '.join(missing)}; it holds {', '.join(map(repr, list(file)[:6]))}."
            raise EmbeddingError(problem, cure="Pass an .h5ad whose X holds the vectors, or save them as parquet.")
        rows, columns = _index(file["obs"]), _index(file["var"])
        check_claim(where, len(rows) * len(columns))
        matrix = _dense(file["X"], shape=(len(rows), len(columns)))
    return table_of_axes(matrix, rows, columns, orientation=orientation, aliases=aliases, where=where)


def _index(frame: Any) -> list[str]:  # noqa: ANN401
    column = frame[frame.attrs["_index"]]
    check_claim("the index of an .h5ad", column.shape[0])
    return [str(name) for name in column.asstr()[:]]


def _dense(values: Any, *, shape: tuple[int, int]) -> np.ndarray[Any, Any]:  # noqa: ANN401
    if isinstance(values, h5py.Dataset):
        if values.shape != shape:
            message = f"X has shape {values.shape} for {shape[0]} rows and {shape[1]} columns"
            raise ValueError(message)
        return np.asarray(values[:])
    kind = str(values.attrs["encoding-type"])
    check_claim("X of an .h5ad", sum(values[part].size for part in ("indptr", "indices", "data")))
    indptr, indices, data = (np.asarray(values[part][:]) for part in ("indptr", "indices", "data"))
    n_major, n_minor = shape if kind.startswith("csr") else shape[::-1]
    if (
        len(indptr) != n_major + 1
        or indptr[0] != 0
        or (np.diff(indptr) < 0).any()
        or indptr[-1] != len(data)
        or len(indices) != len(data)
    ):
        message = f"the index pointers of X do not fit {n_major} {kind} rows"
        raise ValueError(message)
    if len(indices) and (indices.min() < 0 or indices.max() >= n_minor):
        message = f"X has an index outside 0..{n_minor - 1}"
        raise ValueError(message)
    matrix = np.zeros((n_major, n_minor), dtype=data.dtype)
    np.add.at(matrix, (np.repeat(np.arange(n_major), np.diff(indptr)), indices), data)
    return matrix if kind.startswith("csr") else matrix.T
