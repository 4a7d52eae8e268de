"""Vectors as text: csv, tsv and word2vec, plain or gzip, with a row or a column per gene."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from perturbridge.errors import EmbeddingError

from ._frame import Orientation, table_of_axes, table_of_frame
from ._raw import RawTable, check_claim

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from perturbridge.values import GeneAliases

__all__ = ["read_text"]

# A gzip file can hold a thousand times its size.
_MAX_BYTES = 8 << 30
_MISSING = ("", "NA", "NaN", "nan", "-nan", "N/A", "null", "None")
_NO_NAME = ("", "index", "dim", "dims", "dimension", "unnamed: 0")


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How the lines are built: what parts the fields, how many lines come first, fields in a line, the titles of the columns if any."""

    separator: str
    n_before: int
    n_fields: int
    titles: tuple[str, ...]


def read_text(path: Path, *, zipped: bool, orientation: Orientation, aliases: GeneAliases) -> RawTable:
    """Read a table of text; separator, header and orientation are found in its first lines.

    Raises
    ------
    EmbeddingError
        If lines differ in length or hold text where numbers should be.
    """
    layout = _layout(path, zipped=zipped)
    frame = _parse(path, layout, zipped=zipped)
    raw = _table(frame, layout, orientation=orientation, aliases=aliases, where=str(path))
    # Decimal digits have no width to lose: a float32 written as text comes back as the same float32.
    return replace(raw, rounded=False)


def _table(
    frame: pd.DataFrame, layout: _Layout, *, orientation: Orientation, aliases: GeneAliases, where: str
) -> RawTable:
    if not layout.titles:
        _check_numbers(frame.iloc[:, 1:], where=where)
        return RawTable(names=frame.iloc[:, 0].astype(str).tolist(), vectors=frame.iloc[:, 1:].to_numpy())
    if frame.shape[1] == len(layout.titles) + 1:
        columns = layout.titles
    elif _first_is_index(frame, layout.titles):
        columns = layout.titles[1:]
    else:
        frame.columns = pd.Index(layout.titles)
        return table_of_frame(frame, orientation=orientation, aliases=aliases, where=where)
    labels, body = frame.iloc[:, 0].astype(str).tolist(), frame.iloc[:, 1:]
    _check_numbers(body, where=where)
    return table_of_axes(body.to_numpy(), labels, list(columns), orientation=orientation, aliases=aliases, where=where)


def _first_is_index(frame: pd.DataFrame, titles: tuple[str, ...]) -> bool:
    """Say whether the first column labels the rows: it is the only text, or it is whole numbers without a gene's title."""
    kinds = [dtype.kind for dtype in frame.dtypes]
    if "O" in kinds[1:]:
        return False
    return kinds[0] == "O" or (kinds[0] in "iu" and titles[0].strip().lower() in _NO_NAME)


def _layout(path: Path, *, zipped: bool) -> _Layout:
    with _open(path, zipped=zipped) as handle, io.TextIOWrapper(handle, encoding="utf-8-sig", newline="") as text:
        try:
            first, second = text.readline(), text.readline()
        except (UnicodeDecodeError, OSError, EOFError) as error:
            problem = f"{path} is not readable text: {error}."
            raise EmbeddingError(problem, cure="Save the table as UTF-8.") from error
    separator = _separator(first, second, path=path)
    head, body = _fields(first, separator), _fields(second, separator)
    if len(head) == 2 and all(field.isdecimal() for field in head) and len(body) == int(head[1]) + 1:
        check_claim(str(path), int(head[0]) * int(head[1]))
        return _Layout(separator=separator, n_before=1, n_fields=len(body), titles=())
    has_titles = not all(map(_is_number, head[1:])) or _counts_up(head[1:]) or len(body) == len(head) + 1
    titles = tuple(head) if has_titles else ()
    return _Layout(separator=separator, n_before=int(has_titles), n_fields=len(body), titles=titles)


def _separator(first: str, second: str, *, path: Path) -> str:
    """Return what parts the fields of both lines: the one that gives most, in lines that agree within one field."""
    counts = {}
    for separator in ("\t", ",", ";", r"\s+"):
        n_head, n_body = len(_fields(first, separator)), len(_fields(second, separator))
        word2vec = n_head == 2 and n_body > 2
        if n_body > 1 and (n_head in (n_body, n_body - 1) or word2vec):
            counts[separator] = n_body
    if not counts:
        problem = f"{path} is text without columns; its first line is {first[:60]!r}."
        raise EmbeddingError(problem, cure="Separate the columns by tabs or commas, with as many fields in every line.")
    return max(counts, key=lambda separator: (counts[separator], separator != r"\s+"))


def _fields(line: str, separator: str) -> list[str]:
    if separator == r"\s+":
        return line.split()
    if '"' not in line:
        # The csv module refuses a field of more than 131,072 characters, which a line is under the wrong separator.
        return [field.strip() for field in line.rstrip("\r\n").split(separator)]
    try:
        rows = list(csv.reader([line], delimiter=separator))
    except csv.Error:
        return []
    return [field.strip() for field in rows[0]] if rows else []


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return field in _MISSING
    return True


def _counts_up(fields: list[str]) -> bool:
    """Say whether the fields are 0, 1, 2, … or 1, 2, 3, …, which are titles and not values."""
    return len(fields) > 1 and fields in ([str(i + start) for i in range(len(fields))] for start in (0, 1))


def _parse(path: Path, layout: _Layout, *, zipped: bool) -> pd.DataFrame:
    try:
        with _open(path, zipped=zipped) as handle:
            # Gene names such as NA must stay names: the first column is filtered for nothing.
            missing: dict[Any, list[str]] = {column: list(_MISSING) for column in range(1, layout.n_fields)}
            frame = pd.read_csv(
                handle,
                sep=layout.separator,
                header=None,
                skiprows=layout.n_before,
                keep_default_na=False,
                na_values=missing,
                encoding="utf-8-sig",
                low_memory=False,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError, EOFError) as error:
        problem = f"{path} is not a table: {str(error).strip()}."
        raise EmbeddingError(problem, cure="Write as many fields in every line, in UTF-8.") from error
    if layout.titles and frame.shape[1] not in (len(layout.titles), len(layout.titles) + 1):
        problem = f"{path} has {len(layout.titles)} titles for {frame.shape[1]} columns."
        raise EmbeddingError(problem, cure="Write one title per column.")
    return frame


def _check_numbers(frame: pd.DataFrame, *, where: str) -> None:
    for i, dtype in enumerate(frame.dtypes):
        if dtype.kind == "O":
            column = frame.iloc[:, i]
            row = next(j for j, value in enumerate(column) if isinstance(value, str) and not _is_number(value))
            problem = f"{where} has text where numbers should be: {column.iloc[row][:40]!r} in data row {row + 1}, column {i + 2}."
            raise EmbeddingError(problem, cure="Keep gene names in one column (or one line) and numbers in the others.")


def _open(path: Path, *, zipped: bool) -> BinaryIO:
    return io.BufferedReader(_Limited(gzip.open(path))) if zipped else path.open("rb")


class _Limited(io.RawIOBase):
    """A stream that ends in an error after `_MAX_BYTES`."""

    def __init__(self, inner: gzip.GzipFile) -> None:
        self._inner = inner
        self._left = _MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._inner.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            message = f"it unpacks to more than {_MAX_BYTES >> 30} GiB"
            raise OSError(message)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()
