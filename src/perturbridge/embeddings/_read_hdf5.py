"""Vectors in `.h5ad` and zarr: X, or a matrix beside it, and the names of its rows or columns, without the rest of the file."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from perturbridge.errors import EmbeddingError

from ._frame import Orientation, table_of_axes
from ._raw import RawTable, check_claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from perturbridge.values import GeneAliases

__all__ = ["read_hdf5"]


def read_hdf5(path: Path, *, orientation: Orientation, aliases: GeneAliases, key: str | None = None) -> RawTable:
    """Read X, dense or compressed sparse, with the names along both axes; or one matrix of `varm` or `obsm` with one axis of names.

    Parameters
    ----------
    path
        An `.h5ad` file, or a zarr store.
    orientation, aliases
        Where the genes lie, and what tells.
    key
        `"varm/NAME"` or `"obsm/NAME"`; default X.

    Raises
    ------
    EmbeddingError
        If the file has no X or no such key, or claims more than it may.
    """
    where = str(path)
    with _opened(path) as file:
        missing = [part for part in ("X", "obs", "var") if part not in file]
        if missing and not (key and missing == ["X"]):
            problem = f"{path} is {'HDF5' if path.is_file() else 'zarr'} without {', '.join(missing)}; it holds {', '.join(map(repr, list(file)[:6]))}."
            raise EmbeddingError(problem, cure="Pass an .h5ad whose X holds the vectors, or save them as parquet.")
        if key is not None:
            return _of_axis(file, key, where=where)
        rows, columns = _index(file["obs"]), _index(file["var"])
        check_claim(where, len(rows) * len(columns))
        matrix = _dense(file["X"], shape=(len(rows), len(columns)))
    return table_of_axes(matrix, rows, columns, orientation=orientation, aliases=aliases, where=where)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if path.is_file():
        with h5py.File(path, "r") as file:
            yield file
        return
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield zarr.open_group(path, mode="r")


def _of_axis(file: Any, key: str, *, where: str) -> RawTable:  # noqa: ANN401
    axis, _, name = key.partition("/")
    known = [f"{part}/{one}" for part in ("varm", "obsm") if part in file for one in file[part]]
    if key not in known or axis not in ("varm", "obsm"):
        problem = f"{where} has no {key!r}; it has {', '.join(map(repr, known)) or 'no matrix beside X'}."
        raise EmbeddingError(problem, cure="Pass one of these as key=, or leave it out for X.")
    names = _index(file["var" if axis == "varm" else "obs"])
    item = file[axis][name]
    if hasattr(item, "attrs") and str(item.attrs.get("encoding-type")) == "dataframe":
        columns = [item[str(column)] for column in item.attrs["column-order"]]
        check_claim(where, len(names) * len(columns))
        matrix = np.stack([np.asarray(column[:]) for column in columns], axis=1)
    else:
        n_dims = int(item.shape[1]) if hasattr(item, "shape") else int(item.attrs["shape"][1])
        check_claim(where, len(names) * n_dims)
        matrix = _dense(item, shape=(len(names), n_dims))
    return RawTable(names=names, vectors=matrix)


def _index(frame: Any) -> list[str]:  # noqa: ANN401
    column = frame[frame.attrs["_index"]]
    if not hasattr(column, "shape"):
        column = column["values"]
    check_claim("the index of an .h5ad", column.shape[0])
    return [name.decode() if isinstance(name, bytes) else str(name) for name in column[:].tolist()]


def _dense(values: Any, *, shape: tuple[int, int]) -> np.ndarray[Any, Any]:  # noqa: ANN401
    if hasattr(values, "shape"):
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
