"""Tables as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge._files import atomic_file
from perturbridge.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["guard_formulas", "write_table"]


def guard_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before text that a spreadsheet would run as a formula; gene names are not ours to trust."""
    guarded = frame.copy()
    for column in guarded.columns[[kind.kind not in "fiub" for kind in guarded.dtypes]]:
        text = guarded[column].astype(str)
        guarded[column] = text.where(~text.str.match(r"^[=+\-@\t\r]"), "'" + text)
    return guarded


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as `.csv`, `.tsv` or `.parquet`, atomically.

    Raises
    ------
    DataError
        If the ending is another one.
    """
    suffix = Path(path).suffix
    if suffix not in (".csv", ".tsv", ".parquet"):
        problem = f"{path} has the ending {suffix!r}."
        raise DataError(problem, cure="Use .csv, .tsv or .parquet.")
    with atomic_file(path) as temporary:
        if suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            guard_formulas(frame).to_csv(temporary, index=False, sep="," if suffix == ".csv" else "\t")
