"""A folder that appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge._files import sync
from perturbridge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_folder", "new_folder"]

# A folder is only ever replaced if it holds this file: `--overwrite` with a wrong path must not remove a user's data.
MARK = "manifest.json"


def check_folder(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that may not be replaced, before anything is computed.

    Raises
    ------
    DataError
        If it exists and `overwrite` is not set, or it is no run folder.
    """
    if not target.exists():
        return
    if not overwrite:
        problem = f"{target} exists already."
        raise DataError(problem, cure="Choose another -o, or pass --overwrite to replace the run in it.")
    if not target.is_dir() or not ((target / MARK).is_file() or not any(target.iterdir())):
        problem = f"{target} is not a run folder (it has no {MARK}), so it is not overwritten."
        raise DataError(problem, cure="Choose another -o, or remove it by hand.")


@contextmanager
def new_folder(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; rename it to `target` when the block ends well, remove it otherwise.

    Raises
    ------
    DataError
        If `target` exists and may not be replaced; nothing is written then.
    """
    final = Path(target)
    check_folder(final, overwrite=overwrite)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    except OSError as error:
        problem = f"{final.parent} cannot be written: {error.strerror}."
        raise DataError(problem, cure="Choose another -o.") from error
    try:
        yield work
        work.chmod(0o755)
        for path in [*work.rglob("*"), work]:
            sync(path)
        if final.exists():
            old = work.with_name(work.name + ".old")
            final.rename(old)
            work.rename(final)
            shutil.rmtree(old)
        else:
            work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
