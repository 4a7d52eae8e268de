"""Asking the system for bytes that will be read soon, so that the disk works while the processor does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._node import Array

__all__ = ["ask_ahead"]

# Times the bytes of the chunks themselves.
WIDEST_SPAN = 3


def ask_ahead(array: Array, low: int, high: int) -> None:
    """Ask for the bytes of the entries `low` to `high` along the first axis of an HDF5 array; without effect where there is no such call.

    Parameters
    ----------
    array
        Of an HDF5 file; those of zarr are left to its own threads.
    low, high
        Entries, `high` excluded.
    """
    if not isinstance(array, h5py.Dataset) or not hasattr(os, "posix_fadvise") or high <= low:
        return
    try:
        handle = os.open(array.file.filename, os.O_RDONLY)
    except OSError:
        # A hint is no reason to fail: what is wrong with the file will show when it is read.
        return
    try:
        for offset, size in _stretches(array, low, high):
            os.posix_fadvise(handle, offset, size, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(handle)


def _stretches(array: h5py.Dataset, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Offset and size of each piece of the file."""
    offset = array.id.get_offset()
    if offset is not None:
        width = array.dtype.itemsize
        for n in array.shape[1:]:
            width *= n
        yield offset + low * width, (high - low) * width
        return
    if array.chunks is None or array.ndim > 1:
        return
    step = array.chunks[0]
    starts = range(low // step * step, high, step)
    # Looking a chunk up takes the longer the more there are; mostly they lie one after another, or among those of a second array.
    first, last = (array.id.get_chunk_info_by_coord((at,)) for at in (starts[0], starts[-1]))
    if first.byte_offset is not None and last.byte_offset is not None:
        size = last.byte_offset + last.size - first.byte_offset
        if len(starts) * min(first.size, last.size) <= size <= WIDEST_SPAN * len(starts) * max(first.size, last.size):
            yield first.byte_offset, size
            return
    for at in starts:
        stored = array.id.get_chunk_info_by_coord((at,))
        if stored.byte_offset is not None:
            yield stored.byte_offset, stored.size
