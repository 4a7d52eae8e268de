"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["atomic_file", "guard_formula", "sync", "unguard_formula"]

# Of the disk, of the user's share of it, of a single file.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# A spreadsheet runs a cell that opens with one of these; an apostrophe in front makes it text.
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def sync(path: Path) -> None:
    """Ask the disk to keep what was written to a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file name beside `path`; move it to `path` when the block ends well, remove it otherwise.

    Raises
    ------
    DataError
        If the folder does not exist or cannot be written, or the disk is full.
    """
    final = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=final.suffix, dir=final.parent)
        os.close(handle)
    except OSError as error:
        problem = f"{final} cannot be written: {error.strerror}."
        raise DataError(problem, cure="Choose a folder that exists and is yours to write.") from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        sync(temporary)
        temporary.replace(final)
    except (OSError, RuntimeError) as error:
        if (number := _error_number(error)) not in _NO_ROOM:
            raise
        free = shutil.disk_usage(final.parent).free / 1e6
        problem = f"{final} cannot be written: {os.strerror(number).lower()} ({free:,.0f} MB are free there)."
        cure = "Free some room or choose another folder; what was there before is untouched."
        raise DataError(problem, cure=cure) from error
    finally:
        temporary.unlink(missing_ok=True)


def _error_number(error: Exception) -> int:
    """Number of the system's error; HDF5 says it in the text alone."""
    said = re.search(r"errno = (\d+)", str(error))
    return int(getattr(error, "errno", None) or (said[1] if said else 0))


def guard_formula(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula; names are not ours to trust."""
    return f"'{text}" if text.startswith(_RUNS) else text


def unguard_formula(text: str) -> str:
    """Take off what `guard_formula` put on."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_RUNS) else text
