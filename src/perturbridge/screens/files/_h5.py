"""Careful access to an HDF5 file or a zarr store: every open, look-up and read ends in a value or in a DataError."""

from __future__ import annotations

import importlib
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from perturbridge.errors import DataError, PerturbridgeError

from ._column import as_texts
from ._node import file_name, holds_bytes, is_array, is_group, is_zarr_folder, largest_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ._node import Array, Group

__all__ = ["attribute", "child", "data_set", "open_file", "read_all", "read_texts"]

_TYPICAL_CLAIM = 64 * 2**20
_MOST_COMPRESSED = 2000
_WHOLE_LIMIT = 8 * 2**30


@contextmanager
def open_file(path: str | Path) -> Iterator[Group]:
    """Open a file or a store for reading; what h5py or zarr raises while it is open becomes a DataError that names it.

    Raises
    ------
    DataError
        If it is missing, is neither HDF5 nor zarr (a folder, or a zip of one), is cut short, or cannot be read at the place
        asked for.
    """
    path = Path(path)
    if is_zarr_folder(path) or zipfile.is_zipfile(path):
        with _open_store(path) as group:
            yield group
        return
    if not path.is_file():
        problem = f"There is no file {str(path)!r}."
        raise DataError(problem, cure="Check the path.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise _as_data_error(path, error) from error


@contextmanager
def _open_store(path: Path) -> Iterator[Group]:
    import zarr

    try:
        store = (
            zarr.storage.ZipStore(path, mode="r") if path.is_file() else zarr.storage.LocalStore(path, read_only=True)
        )
        try:
            with warnings.catch_warnings():
                # Whether a form is in the last specification or not is no concern of a reader.
                warnings.simplefilter("ignore")
                # The members alone are asked, not the summary of all of them, which takes longer to read than a stretch of cells.
                yield zarr.open_group(store, mode="r", use_consolidated=False)
        finally:
            store.close()
    except PerturbridgeError:
        raise
    # The codecs and the layers of zarr raise anything, from KeyError to errors of their own.
    except Exception as error:
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


def child(parent: Group, name: str) -> Group | Array:
    """Return a member of a group.

    Raises
    ------
    DataError
        If there is none.
    """
    try:
        found = parent[name]
    except KeyError as error:
        problem = f"{file_name(parent)!r} has no {f'{parent.name}/{name}'.lstrip('/')!r}."
        raise DataError(problem, cure="Check that the file is a complete h5ad.") from error
    if not is_group(found) and not isinstance(found, h5py.Dataset) and not is_array(found):
        problem = f"{name!r} in {file_name(parent)!r} is neither a table nor an array."
        raise DataError(problem, cure="Check that the file is a complete h5ad.")
    return found


def data_set(parent: Group, name: str) -> Array:
    """Return a member that must be an array, after comparing the size it claims with the size of the file.

    Raises
    ------
    DataError
        If it is not an array, keeps its values in another file, or claims far more than the file can hold.
    """
    found = child(parent, name)
    where = f"{found.name!r} in {file_name(parent)!r}"
    if not is_array(found):
        problem = f"{where} is not an array."
        raise DataError(problem, cure="Check that the file is a complete h5ad.")
    cure = "Write the values into the file itself, for example with AnnData.write_h5ad, or check where the file comes from."
    if getattr(found, "external", None):
        problem = f"{where} keeps its values in another file."
        raise DataError(problem, cure=cure)
    claimed = int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize
    if claimed > _TYPICAL_CLAIM:
        held = holds_bytes(found, at_least=claimed / _MOST_COMPRESSED)
        if claimed > _MOST_COMPRESSED * held:
            problem = (
                f"{found.name!r} claims {claimed / 1e9:.1f} GB, but {file_name(parent)!r} holds {held / 1e3:.0f} kB."
            )
            raise DataError(problem, cure=cure)
    if largest_chunk(found) > _WHOLE_LIMIT:
        problem = f"{where} is stored in pieces of {largest_chunk(found) / 2**30:.1f} GiB."
        raise DataError(problem, cure="Write it again in smaller chunks.")
    return found


def attribute(item: Group | Array, name: str) -> object:
    """Return an attribute, text decoded, or None where it is missing."""
    value: object = item.attrs.get(name)
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def read_all(array: Array, *, length: int | None = None) -> NDArray[Any]:
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
    where = f"{array.name!r} in {file_name(array)!r}"
    if array.ndim != 1 or (length is not None and array.shape[0] != length):
        wanted = "one axis" if length is None else f"{length} entries"
        problem = f"{where} has shape {array.shape}, expected {wanted}."
        raise DataError(problem, cure="The tables of the file do not belong together: write it again from its source.")
    if array.size * array.dtype.itemsize > _WHOLE_LIMIT:
        problem = f"{where} would take {array.size * array.dtype.itemsize / 2**30:.1f} GiB of memory."
        raise DataError(problem, cure="Split the screen into several files.")
    with_plugin(array)
    return np.asarray(array[()])


def read_texts(array: Array, *, length: int | None = None) -> tuple[str, ...]:
    """Return a 1-D array of text; numbers are written as Python writes them.

    Raises
    ------
    DataError
        As `read_all`, or if the entries are neither text nor numbers, or are not UTF-8.
    """
    return tuple(as_texts(read_all(array, length=length), name=f"{array.name!r} in {file_name(array)!r}"))


def uncached(parent: Group, name: str) -> Array:
    """Return the same as `data_set`; chunks of one axis that are stored as they are go straight into place, not through HDF5's cache.

    For stretches that are read once: a third less time than by way of the cache.

    Raises
    ------
    DataError
        As `data_set`.
    """
    found = data_set(parent, name)
    if not isinstance(found, h5py.Dataset) or found.chunks is None or found.ndim > 1:
        return found
    if found.id.get_create_plist().get_nfilters():
        return found
    # As long as it is open, it keeps the cache with which it was opened.
    del found
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_chunk_cache(1, 0, 0.0)
    return h5py.Dataset(h5py.h5d.open(parent.id, name.encode(), access))


def with_plugin(array: Array) -> None:
    """Load hdf5plugin, where it is installed, if this array needs a filter that HDF5 does not bring along."""
    if not isinstance(array, h5py.Dataset):
        return
    created = array.id.get_create_plist()
    codes = [created.get_filter(i)[0] for i in range(created.get_nfilters())]
    if all(h5py.h5z.filter_avail(code) for code in codes):
        return
    try:
        importlib.import_module("hdf5plugin")
    except ImportError:
        return
