"""Coordinates of cells that lie beside the counts: `obsm` of an h5ad file, of an AnnData object, or a table in a file of its own."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from perturbridge._checks import nearest_names
from perturbridge._mapped import give_back, is_large, room
from perturbridge.errors import DataError

from ._h5 import attribute, child, data_set, open_file, read_all, with_plugin
from ._h5_frame import frame_columns, read_column
from ._node import is_array, is_group

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._node import Array

__all__ = ["COORDINATE_SUFFIXES", "as_coordinates", "obsm_keys", "read_coordinates", "read_obsm", "stored_coordinates"]

ROWS_PER_READ = 65_536
COORDINATE_SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".tsv.gz", ".txt.gz")


def obsm_keys(path: str | Path) -> tuple[str, ...]:
    """Return the keys of `obsm` in an h5ad file, in the order of the file; none where it has no `obsm`."""
    with open_file(path) as file:
        return tuple(child(file, "obsm").keys()) if "obsm" in file and is_group(file["obsm"]) else ()


def read_obsm(path: str | Path, key: str) -> NDArray[np.float32]:
    """Read one member of `obsm`: an array, a sparse matrix or a table of numbers.

    Parameters
    ----------
    path
        The h5ad file.
    key
        Such as `"X_pca"`.

    Returns
    -------
    NDArray
        `(n_cells, n_dims)`, entries that are not finite included.

    Raises
    ------
    DataError
        If there is none of that name (the nearest are given), or it is no table of numbers.
    """
    keys = obsm_keys(path)
    if key not in keys:
        raise _no_key(str(path), key, keys)
    with open_file(path) as file:
        item = child(child(file, "obsm"), key)
        if is_array(item):
            return stored_coordinates(data_set(child(file, "obsm"), key), name=f"obsm[{key!r}]")
        if str(attribute(item, "encoding-type")) in ("csr_matrix", "csc_matrix"):
            return as_coordinates(_sparse(item), name=f"obsm[{key!r}]")
        n_rows = int(data_set(item, str(attribute(item, "_index"))).size)
        columns = [read_column(item, name, n_rows=n_rows) for name in frame_columns(item)]
    table = {column.name: np.asarray([*column.labels, "nan"], dtype=object)[column.codes] for column in columns}
    return as_coordinates(pd.DataFrame(table), name=f"obsm[{key!r}]")


def stored_coordinates(array: Array, *, name: str) -> NDArray[np.float32]:
    """Return an array of a file as coordinates, from 64 MiB on without holding it in memory.

    Parameters
    ----------
    array
        Checked by `data_set`.
    name
        For messages.

    Raises
    ------
    DataError
        As `as_coordinates`, or if there is no room for a copy where the file holds another type or is compressed.
    """
    with_plugin(array)
    if array.ndim != 2 or not is_large(4 * array.size) or array.dtype.kind not in "fiub":
        return as_coordinates(np.asarray(array[()]), name=name)
    start = array.id.get_offset() if isinstance(array, h5py.Dataset) else None
    if start is not None and array.dtype == np.dtype("<f4"):
        return np.memmap(array.file.filename, dtype="<f4", mode="r", offset=start, shape=array.shape)
    return _copied(array)


def _copied(array: Array | NDArray[Any]) -> NDArray[np.float32]:
    out = room(tuple(array.shape), np.float32)
    for start in range(0, len(array), ROWS_PER_READ):
        out[start : start + ROWS_PER_READ] = array[start : start + ROWS_PER_READ]
        give_back(out)
    return out


def _no_key(name: str, key: str, keys: tuple[str, ...]) -> DataError:
    problem = f"{name} has no obsm[{key!r}], and there is no file of that name."
    if not keys:
        return DataError(
            problem, cure="Its obsm is empty: leave --rep out to audit a PCA of its counts, or name a file."
        )
    return DataError(problem, cure=f"Nearest keys: {nearest_names(key, keys)}.")


def _sparse(item: h5py.Group) -> NDArray[Any]:
    data, indices, pointers = (read_all(data_set(item, name)) for name in ("data", "indices", "indptr"))
    n_rows, n_columns = (int(n) for n in np.asarray(attribute(item, "shape")).tolist())
    if attribute(item, "encoding-type") == "csr_matrix":
        return np.asarray(sparse.csr_matrix((data, indices, pointers), shape=(n_rows, n_columns)).toarray())
    return np.asarray(sparse.csc_matrix((data, indices, pointers), shape=(n_rows, n_columns)).toarray())


def as_coordinates(values: object, *, name: str) -> NDArray[np.float32]:
    """Return an array, a sparse matrix or a table as `(n_cells, n_dims)` float32.

    Raises
    ------
    DataError
        If it has another number of axes or holds something other than numbers.
    """
    if sparse.issparse(values):
        values = values.toarray()  # type: ignore[attr-defined]
    if isinstance(values, pd.DataFrame):
        values = _numbers(values, name=name)
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.names is None:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        problem = f"{name} is of type {array.dtype} with {array.ndim} axes, expected numbers, cells x dimensions."
        raise DataError(problem, cure="Store the latent as a 2-D array of numbers, one row per cell.")
    return array.astype(np.float32)


def _numbers(table: pd.DataFrame, *, name: str) -> NDArray[np.float64]:
    columns = []
    for column in table.columns:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        text = table[column].astype(str).str.strip().str.lower()
        bad = np.flatnonzero(np.isnan(values) & ~text.isin(["nan", "na", "", "<na>", "none"]).to_numpy())
        if len(bad):
            problem = f"Column {str(column)!r} of {name} holds {len(bad)} entries that are no numbers, the first is {table[column].iloc[int(bad[0])]!r}."
            raise DataError(problem, cure="Leave labels out of the latent: they go into a table of their own.")
        columns.append(values)
    return np.column_stack(columns) if columns else np.zeros((len(table), 0))


def read_coordinates(path: str | Path) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Read a latent that lies in a file of its own.

    Parameters
    ----------
    path
        `.npy`, `.npz` with one array, or a table (`.csv`, `.tsv`, `.txt`, each also `.gz`, or `.parquet`) with one row per cell; a
        first column of text names the cells.

    Returns
    -------
    tuple
        `(n_cells, n_dims)` float32, and the names of the cells, empty where the file has none.

    Raises
    ------
    DataError
        If it cannot be read, or holds something other than numbers.
    """
    path = Path(path)
    try:
        if path.suffix in (".npy", ".npz"):
            return _array(path), ()
        table = _table(path)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        problem = f"{str(path)!r} cannot be read as a latent: {' '.join(str(error).split())[:200]}."
        raise DataError(problem, cure=f"Use one of {', '.join(COORDINATE_SUFFIXES)}, one row per cell.") from error
    names: tuple[str, ...] = ()
    if table.shape[1] and not pd.api.types.is_numeric_dtype(table.iloc[:, 0]):
        names, table = tuple(str(v) for v in table.iloc[:, 0]), table.iloc[:, 1:]
    return as_coordinates(table, name=f"{str(path)!r}"), names


def _array(path: Path) -> NDArray[np.float32]:
    large = path.suffix == ".npy" and is_large(path.stat().st_size)
    loaded = np.load(path, allow_pickle=False, mmap_mode="r" if large else None)
    if large and loaded.ndim == 2 and loaded.dtype.kind in "fiub":
        return loaded if loaded.dtype == np.dtype("<f4") and loaded.flags.c_contiguous else _copied(loaded)
    if isinstance(loaded, np.ndarray):
        return as_coordinates(loaded, name=f"{str(path)!r}")
    if len(loaded.files) != 1:
        message = f"it holds {len(loaded.files)} arrays ({', '.join(loaded.files[:5])}), expected one"
        raise ValueError(message)
    return as_coordinates(loaded[loaded.files[0]], name=f"{str(path)!r}")


def _table(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        read = pd.read_parquet(path)
        return read if isinstance(read.index, pd.RangeIndex) else read.reset_index()
    separator = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
    table = pd.read_csv(path, sep=separator, encoding="utf-8-sig")
    # R writes a header that is one name short; pandas then takes the names of the rows as index.
    table = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    names = [str(name) for name in table.columns]
    try:
        [float(name) for name in names]
    except ValueError:
        return table
    # 0, 1, 2, … is the header pandas writes where columns have no names; other numbers are the first cell.
    return (
        table
        if names == [str(i) for i in range(len(names))]
        else pd.read_csv(path, sep=separator, header=None, encoding="utf-8-sig")
    )
