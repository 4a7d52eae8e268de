"""Tables as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perturbridge._files import atomic_file, guard_formula
from perturbridge.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_table"]


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
            guarded = {
                str(name): frame[name].astype(str).map(guard_formula)
                for name in frame.select_dtypes(exclude=["number", "bool"])
            }
            frame.assign(**guarded).to_csv(temporary, index=False, sep="," if suffix == ".csv" else "\t")
