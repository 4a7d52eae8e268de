"""Large arrays that stay on disk: looked at a stretch at a time, each given back to the system before the next."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

__all__ = ["give_back", "is_large", "is_mapped", "room", "stretches", "take_rows"]

# Below this a copy in memory costs nothing worth saving, and cannot be changed by whoever writes to the file.
_LARGE = 1 << 26
_STRETCH = 1 << 23


def is_large(n_bytes: int) -> bool:
    """True from 64 MiB on: for what had better stay on disk."""
    return n_bytes >= _LARGE


def _map_of(array: object) -> mmap.mmap | None:
    """The map behind an array or its views, None for memory, and for a private map, whose changes lie in memory alone."""
    while array is not None and not isinstance(array, mmap.mmap):
        if isinstance(array, np.memmap) and array.mode == "c":
            return None
        array = getattr(array, "base", None)
    return array if isinstance(array, mmap.mmap) else None


def is_mapped(array: NDArray[Any]) -> bool:
    """True for an array, or a view of one, whose values lie in a file and are fetched as they are looked at."""
    return _map_of(array) is not None


def give_back(array: NDArray[Any]) -> None:
    """Give the memory of a mapped array back to the system; the file keeps what was written, and is asked again for what is looked at."""
    mapped = _map_of(array)
    if mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def stretches(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield start and rows: of an array in memory all at once, of a mapped one 8 MiB at a time, after which their memory is given back.

    Parameters
    ----------
    array
        `(n_rows, …)`.
    """
    if not is_mapped(array):
        yield 0, array
        return
    step = max(_STRETCH * len(array) // max(array.nbytes, 1), 1)
    for start in range(0, len(array), step):
        yield start, array[start : start + step]
        give_back(array)


def take_rows(array: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return these rows, ascending; of a mapped array without touching all of it at once, in `room` of their own.

    Parameters
    ----------
    array
        `(n_rows, …)`.
    rows
        Ascending `(n_taken,)`.
    """
    if not is_mapped(array):
        return np.asarray(array[rows])
    out = room((len(rows), *array.shape[1:]), array.dtype)
    for start, part in stretches(array):
        low, high = np.searchsorted(rows, [start, start + len(part)])
        out[low:high] = part[rows[low:high] - start]
        give_back(out)
    return out


def room(
    shape: tuple[int, ...], dtype: DTypeLike, *, folder: str | Path | None = None, on_disk: bool = False
) -> NDArray[Any]:
    """Return an array to be filled: in memory, or from 64 MiB on in a temporary file without a name, which is gone with the array.

    Parameters
    ----------
    shape, dtype
        Of the array.
    folder
        Where the file lies; default: that of the system for temporary files.
    on_disk
        Whatever its size.

    Raises
    ------
    DataError
        If the folder has no room for it.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if not size or not (on_disk or is_large(size)):
        return np.empty(shape, dtype=dtype)
    place = folder or tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(prefix="perturbridge-", dir=place) as file:
            # A file that only claims its length ends the program when the disk is full; this asks for the space now.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        problem = f"{size / 1e9:.2f} GB of temporary space in {place} cannot be had: {error.strerror}."
        raise DataError(problem, cure="Free some, or set TMPDIR to a folder on a larger disk.") from error
