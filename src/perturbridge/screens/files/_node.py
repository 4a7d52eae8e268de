"""Groups and arrays of HDF5 files and of zarr stores, asked the same questions; zarr is loaded only where a store is opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import h5py

if TYPE_CHECKING:
    from pathlib import Path

# Of HDF5 or zarr; h5py has no types, so that neither alias claims more than a name.
Group: TypeAlias = h5py.Group
Array: TypeAlias = h5py.Dataset

__all__ = ["Array", "Group", "file_name", "holds_bytes", "is_array", "is_group", "is_zarr_folder", "largest_chunk"]

_MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")


def is_zarr_folder(path: Path) -> bool:
    """True for a folder with the metadata of a zarr store, version 2 or 3, at its top."""
    return any((path / mark).is_file() for mark in _MARKS)


def is_group(item: object) -> bool:
    """True for a group of either kind."""
    return isinstance(item, h5py.Group) or _is_zarr(item, "Group")


def is_array(item: object) -> bool:
    """True for an array of either kind; an HDF5 data set without a shape is none."""
    if isinstance(item, h5py.Dataset):
        return item.shape is not None
    return _is_zarr(item, "Array")


def _is_zarr(item: object, kind: str) -> bool:
    made = type(item)
    return made.__name__ == kind and made.__module__.partition(".")[0] == "zarr"


def file_name(item: Group | Array) -> str:
    """Return the path of the file or store that an item lies in."""
    if isinstance(item, h5py.Group | h5py.Dataset):
        return str(item.file.filename)
    store: Any = item.store
    return str(getattr(store, "root", None) or getattr(store, "path", store))


def holds_bytes(array: Array, *, at_least: float) -> int:
    """Return the bytes on disk that an array can draw on: of the HDF5 file, or of its own chunks in a zarr store.

    Parameters
    ----------
    array
        Of either kind.
    at_least
        Counting stops here, since a store may have a chunk file for every few cells.
    """
    if isinstance(array, h5py.Dataset):
        return int(array.file.id.get_filesize())
    name = file_name(array)
    if os.path.isfile(name):  # noqa: PTH113 a zip of a store
        return os.path.getsize(name)  # noqa: PTH202
    total = 0
    for folder, _, files in os.walk(os.path.join(name, str(array.path))):  # noqa: PTH118
        for file in files:
            total += os.path.getsize(os.path.join(folder, file))  # noqa: PTH118, PTH202
            if total >= at_least:
                return total
    return total


def largest_chunk(array: Array) -> int:
    """Return the bytes that one chunk takes when it is unpacked, 0 where the library itself bounds them."""
    if isinstance(array, h5py.Dataset):
        return 0
    size = array.dtype.itemsize
    for n in array.chunks:
        size *= int(n)
    return int(size)
