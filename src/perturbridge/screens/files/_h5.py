"""Careful access to an HDF5 file: every open, look-up and read ends in a value or in a DataError."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from perturbridge.errors import DataError

from ._column import as_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["attribute", "child", "data_set", "open_file", "read_all", "read_texts"]

_TYPICAL_CLAIM = 64 * 2**20
_MOST_COMPRESSED = 2000
_WHOLE_LIMIT = 8 * 2**30


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for reading; what h5py raises while it is open becomes a DataError that names the file.

    Raises
    ------
    DataError
        If the file is missing, is not HDF5, is cut short, or cannot be read at the place asked for.
    """
    path = Path(path)
    if not path.is_file():
        problem = f"There is no file {str(path)!r}."
        raise DataError(problem, cure="Check the path.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise _as_data_error(path, error) from error


def _as_data_error(path: Path, error: Exception) -> DataError:
    text = " ".join(str(error).split())
    if "file signature not found" in text:
        return DataError(
            f"{str(path)!r} is not an HDF5 file.",
            cure="Pass a .h5ad file, or a folder of X.mtx, meta.csv and genes.tsv.",
        )
    if "truncated file" in text:
        return DataError(
            f"{str(path)!r} is cut short ({path.stat().st_size:,} bytes are there).", cure="Copy or download it again."
        )
    if "filter" in text or "plugin" in text:
        return DataError(
            f"{str(path)!r} is compressed with a filter that is not installed here ({text}).",
            cure="Install hdf5plugin (pip install hdf5plugin), or write the file again with compression='gzip'.",
        )
    return DataError(
        f"{str(path)!r} cannot be read: {type(error).__name__}: {text[:300]}.",
        cure="The file is damaged or was written wrongly: write it again from its source, for example with AnnData.write_h5ad.",
    )


def child(parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return a member of a group.

    Raises
    ------
    DataError
        If there is none.
    """
    try:
        found = parent[name]
    except KeyError as error:
        problem = f"{parent.file.filename!r} has no {f'{parent.name}/{name}'.lstrip('/')!r}."
        raise DataError(problem, cure="Check that the file is a complete h5ad.") from error
    if not isinstance(found, h5py.Group | h5py.Dataset):
        problem = f"{name!r} in {parent.file.filename!r} is neither a table nor an array."
        raise DataError(problem, cure="Check that the file is a complete h5ad.")
    return found


def data_set(parent: h5py.Group, name: str) -> h5py.Dataset:
    """Return a member that must be an array, after comparing the size it claims with the size of the file.

    Raises
    ------
    DataError
        If it is not an array, keeps its values in another file, or claims far more than the file can hold.
    """
    found = child(parent, name)
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        problem = f"{found.name!r} in {parent.file.filename!r} is not an array."
        raise DataError(problem, cure="Check that the file is a complete h5ad.")
    cure = "Write the values into the file itself, for example with AnnData.write_h5ad, or check where the file comes from."
    if found.external:
        problem = f"{found.name!r} in {parent.file.filename!r} keeps its values in another file."
        raise DataError(problem, cure=cure)
    claimed = found.size * found.dtype.itemsize
    held = int(found.file.id.get_filesize())
    if claimed > _TYPICAL_CLAIM and claimed > _MOST_COMPRESSED * held:
        problem = (
            f"{found.name!r} claims {claimed / 1e9:.1f} GB, but {found.file.filename!r} holds {held / 1e3:.0f} kB."
        )
        raise DataError(problem, cure=cure)
    return found


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> object:
    """Return an attribute, text decoded, or None where it is missing."""
    value: object = item.attrs.get(name)
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def read_all(array: h5py.Dataset, *, length: int | None = None) -> NDArray[Any]:
    """Return a whole 1-D array.

    Parameters
    ----------
    array
        Checked by `data_set`.
    length
        How many entries it must have.

    Raises
    ------
    DataError
        If it has another shape, or would take more than 8 GiB.
    """
    where = f"{array.name!r} in {array.file.filename!r}"
    if array.ndim != 1 or (length is not None and len(array) != length):
        wanted = "one axis" if length is None else f"{length} entries"
        problem = f"{where} has shape {array.shape}, expected {wanted}."
        raise DataError(problem, cure="The tables of the file do not belong together: write it again from its source.")
    if array.size * array.dtype.itemsize > _WHOLE_LIMIT:
        problem = f"{where} would take {array.size * array.dtype.itemsize / 2**30:.1f} GiB of memory."
        raise DataError(problem, cure="Split the screen into several files.")
    with_plugin(array)
    return np.asarray(array[()])


def read_texts(array: h5py.Dataset, *, length: int | None = None) -> tuple[str, ...]:
    """Return a 1-D array of text; numbers are written as Python writes them.

    Raises
    ------
    DataError
        As `read_all`, or if the entries are neither text nor numbers, or are not UTF-8.
    """
    return tuple(as_texts(read_all(array, length=length), name=f"{array.name!r} in {array.file.filename!r}"))


def with_plugin(array: h5py.Dataset) -> None:
    """Load hdf5plugin, where it is installed, if this array needs a filter that HDF5 does not bring along."""
    created = array.id.get_create_plist()
    codes = [created.get_filter(i)[0] for i in range(created.get_nfilters())]
    if all(h5py.h5z.filter_avail(code) for code in codes):
        return
    try:
        importlib.import_module("hdf5plugin")
    except ImportError:
        return
