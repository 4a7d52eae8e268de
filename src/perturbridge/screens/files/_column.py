"""One column of a cell or gene table, as labels; the same record whichever file it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from perturbridge.errors import DataError
from perturbridge.values import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Column", "as_texts", "column_of_categories", "column_of_values", "cross"]

_WHOLE = re.compile(r"\d+\.0+")
_NO_LABEL = frozenset({"", "nan", "NaN", "None", "<NA>"})


@dataclass(frozen=True, eq=False)
class Column:
    """Labels of the rows of a table.

    Parameters
    ----------
    name
        Name of the column.
    labels
        Unique labels `(n_labels,)`, in no particular order.
    codes
        Index into `labels` for each row `(n_rows,)`; -1 where there is no label.
    kind
        What was stored.
    """

    name: str
    labels: tuple[str, ...]
    codes: NDArray[np.int32]
    kind: Literal["text", "integer", "float", "flag"] = "text"

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Rows with each label `(n_labels,)`."""
        present = self.codes[self.codes >= 0]
        return np.bincount(present, minlength=len(self.labels)).astype(np.int64)

    @property
    def n_levels(self) -> int:
        """Labels that stand in at least one row."""
        return int(np.count_nonzero(self.counts))

    def same_groups(self, other: Column) -> bool:
        """True if both columns divide the rows in the same way, whatever the labels are called."""
        pairs = np.unique(self.codes.astype(np.int64) * (len(other.labels) + 2) + other.codes)
        return len(pairs) == len(np.unique(self.codes)) == len(np.unique(other.codes))

    def numbers_joined(self) -> Column:
        """Return the column with `1.0` read as `1` where both stand, which one table gives as integers and another as floats."""
        whole = {label: label.rstrip("0").rstrip(".") for label in self.labels if _WHOLE.fullmatch(label)}
        merged = [whole[label] if whole.get(label) in self.labels else label for label in self.labels]
        if merged == list(self.labels):
            return self
        return column_of_categories(self.name, merged, self.codes)

    def as_grouping(self) -> Labels:
        """Return the labels that occur, sorted."""
        used = sorted(label for label, n in zip(self.labels, self.counts.tolist(), strict=True) if n)
        position = {label: i for i, label in enumerate(used)}
        # One more entry at the end: code -1 then points at "missing".
        table = np.array([position.get(label, -1) for label in self.labels] + [-1], dtype=np.int32)
        return Labels(self.name, tuple(used), table[self.codes])


def column_of_values(name: str, values: NDArray[Any]) -> Column:
    """Return the column for one value per row: text, bytes, numbers or booleans.

    Raises
    ------
    DataError
        If the values are of another type, or text is not UTF-8.
    """
    kinds: dict[str, Literal["text", "integer", "float", "flag"]] = {
        "b": "flag",
        "i": "integer",
        "u": "integer",
        "f": "float",
    }
    kind = kinds.get(values.dtype.kind, "text")
    if kind == "text":
        values = np.array(as_texts(values, name=f"column {name!r}"), dtype=object)
    codes, found = pd.factorize(values)
    return _column(name, as_texts(np.asarray(found), name=f"column {name!r}"), codes=codes, kind=kind)


def column_of_categories(name: str, categories: Sequence[str], codes: NDArray[Any]) -> Column:
    """Return the column for stored codes and categories; categories that read alike are joined.

    Raises
    ------
    DataError
        If a code lies outside the categories.
    """
    n = len(categories)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        problem = f"The codes of column {name!r} have shape {codes.shape} and type {codes.dtype}, expected one integer per row."
        raise DataError(problem, cure="Write the column again as plain strings.")
    if codes.size and (int(codes.min()) < -1 or int(codes.max()) >= n):
        bad = np.flatnonzero((codes < -1) | (codes >= n))
        problem = f"Column {name!r} has {len(bad)} codes outside its {n} categories, the first is {int(codes[bad[0]])} in row {bad[0]}."
        raise DataError(problem, cure="Write the column again as plain strings.")
    return _column(name, list(categories), codes=codes, kind="text")


def _column(
    name: str, labels: list[str], *, codes: NDArray[Any], kind: Literal["text", "integer", "float", "flag"]
) -> Column:
    """Join labels that read alike and drop those that say nothing."""
    kept = tuple(dict.fromkeys(label for label in labels if label not in _NO_LABEL))
    position = {label: i for i, label in enumerate(kept)}
    table = np.array([position.get(label, -1) for label in labels] + [-1], dtype=np.int32)
    return Column(name, kept, table[codes], kind)


def cross(columns: Sequence[Column]) -> Column:
    """Return the column of all pairs (triples, …) of labels that occur, joined by ` | `; missing where one is."""
    first, *others = columns
    for other in others:
        pair = first.codes.astype(np.int64) * len(other.labels) + other.codes
        pair[(first.codes < 0) | (other.codes < 0)] = -1
        found, codes = np.unique(pair, return_inverse=True)
        shift = int(len(found) > 0 and found[0] == -1)
        labels = [
            f"{first.labels[p // len(other.labels)]} | {other.labels[p % len(other.labels)]}"
            for p in found[shift:].tolist()
        ]
        first = Column(f"{first.name},{other.name}", tuple(labels), (codes - shift).astype(np.int32))
    return first


def as_texts(values: NDArray[Any], *, name: str) -> list[str]:
    """Return text for text, bytes, integers, booleans and floats (whole floats without a decimal point).

    Raises
    ------
    DataError
        For other types and for bytes that are not UTF-8.
    """
    kind = values.dtype.kind
    if kind == "f":
        return [str(int(v)) if v.is_integer() else str(v) for v in values.astype(float).tolist()]
    if kind in "iubUT":
        return [str(v) for v in values.tolist()]
    texts = [_as_text(value) for value in values.tolist()] if kind in "OS" else [None]
    if None in texts:
        where = f" (entry {texts.index(None)})" if kind in "OS" else ""
        problem = f"{name} is of type {values.dtype}{where}, expected UTF-8 text or numbers."
        raise DataError(problem, cure="Write it again as plain strings.")
    return [text for text in texts if text is not None]


def _as_text(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    if isinstance(value, str):
        return value
    missing = value is None or value is pd.NA or (isinstance(value, float) and value != value)  # noqa: PLR0124 only NaN differs from itself
    if missing:
        return ""
    return str(value) if isinstance(value, bool | int | float | np.generic) else None
