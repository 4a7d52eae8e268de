"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["atomic_file", "guard_formula", "sync", "unguard_formula"]

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
        If the folder does not exist or cannot be written.
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
    finally:
        temporary.unlink(missing_ok=True)


def guard_formula(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula; names are not ours to trust."""
    return f"'{text}" if text.startswith(_RUNS) else text


def unguard_formula(text: str) -> str:
    """Take off what `guard_formula` put on."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_RUNS) else text
