"""Split files: JSON that a person can read, with a hash that shows a change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perturbridge._files import atomic_file
from perturbridge.errors import DataError, LeakageError
from perturbridge.values import Split

__all__ = ["read_split", "write_split"]

FORMAT = "perturbridge-split"
VERSION = 1


def write_split(split: Split, path: str | Path) -> None:
    """Write a split as JSON with its hash.

    Parameters
    ----------
    split
        What to write.
    path
        The file appears whole or not at all.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    record = {"format": FORMAT, "version": VERSION, "hash": split.hash, **split.as_json()}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def read_split(path: str | Path) -> Split:
    """Read a split and check it against its hash.

    Raises
    ------
    DataError
        If the file cannot be read or is no split.
    LeakageError
        If its contents no longer match its hash, or a fold trains and tests on the same perturbation.
    """
    record = _read(Path(path))
    split = Split.from_json(record)
    if split.hash != record["hash"]:
        problem = f"{path} was changed after it was written: its contents hash to {split.hash[:12]}…, it says {str(record['hash'])[:12]}…."
        raise LeakageError(
            problem,
            cure="Make the split again with make_split, or build your own with Split.from_json and write_split.",
        )
    return split


def _read(path: Path) -> dict[str, Any]:
    cure = "Pass a split.json that write_split or a run folder holds."
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}."
        raise DataError(problem, cure=cure) from error
    except (ValueError, RecursionError) as error:
        problem = f"{path} is not JSON: {error}."
        raise DataError(problem, cure=cure) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT or "hash" not in record:
        problem = f"{path} is not a split: it has no format {FORMAT!r} with a hash."
        raise DataError(problem, cure=cure)
    if record.get("version") != VERSION:
        problem = f"{path} is of version {record.get('version')!r}, this program reads version {VERSION}."
        raise DataError(problem, cure="Write it again with this version of perturbridge.")
    return record
