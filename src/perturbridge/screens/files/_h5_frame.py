"""The cell and gene tables of an h5ad or a zarr store, in every encoding that AnnData has written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from perturbridge.errors import DataError

from ._column import Column, as_texts, column_of_categories, column_of_values
from ._h5 import attribute, child, data_set, read_all
from ._node import file_name, is_array, is_group

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ._node import Group

    Frame: TypeAlias = Group | h5py.Dataset

__all__ = ["frame_columns", "frame_index", "frame_length", "index_name", "read_column", "row_name"]


def index_name(frame: Frame) -> str:
    """Return the name of the column that holds the row names.

    Raises
    ------
    DataError
        If the table has none.
    """
    names = _members(frame)
    said = attribute(frame, "_index")
    for name in (said, "_index", "index"):
        if isinstance(name, str) and name in names:
            return name
    problem = f"Table {frame.name!r} in {file_name(frame)!r} has no index column."
    raise DataError(problem, cure="Check that the file is a complete h5ad.")


def frame_columns(frame: Frame) -> tuple[str, ...]:
    """Return the names of the columns, index excluded, in the order they were written where that is known."""
    index = index_name(frame)
    names = [name for name in _members(frame) if name not in (index, "__categories")]
    order = attribute(frame, "column-order")
    # HDF5 keeps the order as an array, zarr as a list.
    said = [str(_plain(name)) for name in list(order)] if isinstance(order, np.ndarray | list) else []
    position = {name: i for i, name in enumerate(said)}
    return tuple(sorted(names, key=lambda name: position.get(name, len(said))))


def frame_length(frame: Frame) -> int:
    """Return the number of rows."""
    if isinstance(frame, h5py.Dataset):
        return int(frame.size)
    name = index_name(frame)
    item = child(frame, name)
    array = data_set(frame, name) if is_array(item) else data_set(item, "values")
    return int(array.size)


def frame_index(frame: Frame, *, n_rows: int) -> tuple[str, ...]:
    """Return the row names."""
    return _texts(frame, index_name(frame), n_rows=n_rows)


def read_column(frame: Frame, name: str, *, n_rows: int) -> Column:
    """Return one column: categorical in the new and both old forms, nullable, text, numbers or booleans.

    Raises
    ------
    DataError
        If it is missing, has another length than the table, or is damaged.
    """
    if isinstance(frame, h5py.Dataset):
        return _from_compound(frame, name, n_rows=n_rows)
    item = child(frame, name)
    if is_group(item) and "codes" in item:
        codes = read_all(data_set(item, "codes"), length=n_rows)
        return column_of_categories(name, _texts(item, "categories"), codes)
    if is_group(item):
        values, mask = _nullable(item, n_rows=n_rows)
        column = column_of_values(name, values)
        return Column(name, column.labels, np.where(mask, np.int32(-1), column.codes), column.kind)
    values = read_all(data_set(frame, name), length=n_rows)
    categories = _referenced_categories(frame, name)
    return column_of_values(name, values) if categories is None else column_of_categories(name, categories, values)


def _members(frame: Frame) -> tuple[str, ...]:
    if is_group(frame):
        return tuple(frame.keys())
    if frame.dtype.names is None or frame.ndim != 1:
        problem = f"{frame.name!r} in {file_name(frame)!r} is not a table."
        raise DataError(problem, cure="Check that the file is a complete h5ad.")
    return tuple(frame.dtype.names)


def _plain(value: object) -> object:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def _texts(parent: Frame, name: str, *, n_rows: int | None = None) -> tuple[str, ...]:
    where = f"{f'{parent.name}/{name}'.lstrip('/')!r} in {file_name(parent)!r}"
    if isinstance(parent, h5py.Dataset):
        return tuple(as_texts(np.asarray(parent.fields(name)[()]), name=where))
    item = child(parent, name)
    if is_array(item):
        return tuple(as_texts(read_all(data_set(parent, name), length=n_rows), name=where))
    values, mask = _nullable(item, n_rows=n_rows)
    return tuple("" if gone else text for text, gone in zip(as_texts(values, name=where), mask.tolist(), strict=True))


def _nullable(item: Group, *, n_rows: int | None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    values = read_all(data_set(item, "values"), length=n_rows)
    mask = read_all(data_set(item, "mask"), length=len(values)) if "mask" in item else np.zeros(len(values))
    return values, mask.astype(bool)


def _referenced_categories(frame: Group, name: str) -> tuple[str, ...] | None:
    """Before version 0.8 the categories of all columns lay together in one group."""
    if "categories" not in data_set(frame, name).attrs:
        return None
    return _texts(child(frame, "__categories"), name)


def _from_compound(frame: h5py.Dataset, name: str, *, n_rows: int) -> Column:
    """Before version 0.7 a table was one compound array and the categories lay in `uns`."""
    if name not in _members(frame) or len(frame) != n_rows:
        problem = f"Table {frame.name!r} in {file_name(frame)!r} has no column {name!r} of {n_rows} rows."
        raise DataError(problem, cure="Check that the file is a complete h5ad.")
    values = np.asarray(frame.fields(name)[()])
    stored = f"{name}_categories"
    uns = frame.file.get("uns")
    if values.dtype.kind in "iu" and isinstance(uns, h5py.Group) and stored in uns:
        return column_of_categories(name, _texts(uns, stored), values)
    return column_of_values(name, values)


def row_name(frame: Frame, row: int) -> str:
    """Return the name of one row without reading the others."""
    name = index_name(frame)
    if isinstance(frame, h5py.Dataset):
        return as_texts(np.asarray(frame.fields(name)[row : row + 1]), name=name)[0]
    item = child(frame, name)
    array = data_set(frame, name) if is_array(item) else data_set(item, "values")
    return as_texts(np.asarray(array[row : row + 1]), name=name)[0]
