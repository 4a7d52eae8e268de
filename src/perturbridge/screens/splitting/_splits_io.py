"""Split files: JSON that a person can read, with a hash that shows a change, and the forms of other programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perturbridge._checks import one_of
from perturbridge._files import atomic_file
from perturbridge.errors import DataError, LeakageError
from perturbridge.values import Split, as_names

from ._foreign import gears_bytes, read_gears, read_state, read_table, state_text, table_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perturbridge.values import PerturbationName

__all__ = ["read_split", "write_split"]

FORMAT = "perturbridge-split"
VERSION = 1


def write_split(
    split: Split,
    path: str | Path,
    *,
    fold: str | None = None,
    dataset: str = "screen",
    context: str = "all",
    conditions: Sequence[str] = (),
) -> None:
    """Write a split in the form that its suffix names.

    `.json`: our own, with a hash that shows a change. `.csv`: a table of fold, perturbation, side and stratum. `.pkl` or `.pickle`:
    the conditions of one fold as GEARS reads them (`split="custom"`), a tenth of the training ones as its `val`. `.toml`: one fold as STATE and cell-load read it.

    Parameters
    ----------
    split
        What to write.
    path
        The file appears whole or not at all.
    fold
        Which fold, for the forms that hold one; may be left out where there is one only.
    dataset, context
        What STATE calls the data set and the context in which perturbations are held out.
    conditions
        Labels of the file that GEARS reads (`adata.obs["condition"].unique()`), which it looks up letter by letter: `B+A` and `ctrl+A`
        too. Without them `A+ctrl` and `A+B` are written, in the order of the alphabet.

    Raises
    ------
    DataError
        If the suffix is another one, several folds are there and none is named, the form cannot hold the split, a perturbation is none of
        the conditions, or the folder cannot be written.
    """
    suffix = Path(path).suffix.lower()
    one_of("the suffix", suffix, (".json", ".csv", ".pkl", ".pickle", ".toml"))
    if suffix == ".json":
        record = {"format": FORMAT, "version": VERSION, "hash": split.hash, **split.as_json()}
        data = (json.dumps(record, indent=1, ensure_ascii=True) + "\n").encode()
    elif suffix == ".csv":
        data = table_text(split).encode()
    elif suffix == ".toml":
        data = state_text(_one_fold(split, fold), dataset=dataset, context=context).encode()
    else:
        alone = _one_fold(split, fold).folds[0]
        if alone.held_out:
            problem = f"Fold {alone.name!r} holds out the cells of {split.by!r}, which a split of GEARS cannot say."
            raise DataError(problem, cure="Write .json, .csv or .toml.")
        data = gears_bytes(alone, tuple(map(str, conditions)))
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def _one_fold(split: Split, name: str | None) -> Split:
    names = [fold.name for fold in split.folds]
    if name is None and len(names) > 1:
        problem = f"The file holds one fold and the split has {len(names)}."
        raise DataError(problem, cure=f"Say which one: fold={names[0]!r}, or write .json or .csv.")
    wanted = one_of("fold", names[0] if name is None else name, names)
    return replace(split, folds=tuple(fold for fold in split.folds if fold.name == wanted))


def read_split(path: str | Path, *, perturbations: Sequence[str | PerturbationName] | None = None) -> Split:
    """Read a split: our own and check it against its hash, or one of GEARS (pickle, read safely), STATE (TOML) or a table (csv, tsv).

    Parameters
    ----------
    path
        Its suffix tells the form: `.pkl` and `.pickle`, `.toml`, `.csv` and `.tsv`, anything else is our own.
    perturbations
        All perturbations of the screen; needed for TOML, which names the tested ones alone.

    Raises
    ------
    DataError
        If the file cannot be read or is no split.
    LeakageError
        If its contents no longer match its hash, or a fold trains and tests on the same perturbation.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix in (".pkl", ".pickle"):
        return read_gears(file)
    if suffix == ".toml":
        return read_state(file, None if perturbations is None else as_names(perturbations))
    if suffix in (".csv", ".tsv"):
        return read_table(file)
    record = _read(file)
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
