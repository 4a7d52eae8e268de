"""Score tables as data frames and files."""

from __future__ import annotations

import csv
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from perturbridge._files import atomic_file, guard_formula, unguard_formula
from perturbridge.errors import DataError
from perturbridge.values import ScoreTable

__all__ = ["read_scores", "to_frame", "write_scores"]

_NUMBERS = MappingProxyType({"value": np.float64, "n_cells": np.int64, "as_rival": np.float64})
_TEXTS = (*(name for name in ScoreTable.column_names() if name not in _NUMBERS), "split_hash")


def to_frame(table: ScoreTable) -> pd.DataFrame:
    """Return the long table as a data frame, one row per score, with the hash of the split as its last column."""
    frame = pd.DataFrame(
        {
            name: np.asarray(column) if name in _NUMBERS else np.asarray(column).astype(object)
            for name, column in table.columns().items()
        }
    )
    frame["split_hash"] = table.split_hash
    return frame


def write_scores(table: ScoreTable, path: str | Path) -> None:
    """Write the long table whole or not at all: parquet, or CSV where the path ends in `.csv`.

    In CSV a name that a spreadsheet would run as a formula gets an apostrophe in front; `read_scores` takes it off again.

    Raises
    ------
    DataError
        If the path ends in neither, or cannot be written.
    """
    suffix = _suffix(path)
    frame = to_frame(table)
    with atomic_file(path) as temporary:
        if suffix == ".csv":
            guarded = {name: frame[name].map(guard_formula) for name in _TEXTS}
            frame.assign(**guarded).to_csv(temporary, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        else:
            frame.astype(dict.fromkeys(_TEXTS, "category")).to_parquet(temporary, index=False)


def read_scores(path: str | Path) -> ScoreTable:
    """Read a table written by `write_scores`.

    Raises
    ------
    DataError
        If the file is missing, broken, lacks a column, or mixes splits.
    """
    read = _read_csv if _suffix(path) == ".csv" else pd.read_parquet
    try:
        frame = read(path)
        missing = [name for name in (*_TEXTS, *_NUMBERS) if name not in frame.columns]
        if missing:
            problem = f"{path} lacks {len(missing)} columns of a score table, the first is {missing[0]!r}."
            raise DataError(problem, cure="Use a file written by write_scores.")
        columns: dict[str, Any] = {
            name: np.asarray(frame[name], dtype=_NUMBERS.get(name, np.str_)) for name in ScoreTable.column_names()
        }
    except (OSError, ValueError, TypeError) as error:
        problem = f"{path} is no score table: {str(error).splitlines()[0]}"
        raise DataError(problem, cure="Use a file written by write_scores.") from error
    hashes = sorted({str(text) for text in frame["split_hash"].unique()})
    if len(hashes) > 1:
        problem = f"{path} mixes scores of {len(hashes)} splits."
        raise DataError(problem, cure="Keep one file for each split.")
    return ScoreTable(**columns, split_hash="".join(hashes))


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".parquet", ".csv"):
        problem = f"{path} does not say its format."
        raise DataError(problem, cure="End the name in .parquet or .csv.")
    return suffix


def _read_csv(path: str | Path) -> pd.DataFrame:
    kinds = dict.fromkeys(_TEXTS, str) | _NUMBERS
    frame = pd.read_csv(
        path,
        dtype=kinds,
        keep_default_na=False,
        na_values={"value": [""], "as_rival": [""]},
        float_precision="round_trip",
    )
    present = [name for name in _TEXTS if name in frame.columns]
    return frame.assign(**{name: frame[name].map(unguard_formula) for name in present})
