"""Pickled dicts of float lists, as GenePT distributes them, read as the byte layout they are.

Such a file is a run of nine-byte records, the letter G and a big-endian double, with a name and a few marks between vectors.
Reading the runs as arrays needs neither a Python object per number (32 bytes each) nor the pickle machine; each vector goes to its row
of the matrix when it ends, so that little more than the matrix is ever held.
Any record outside the small grammar below ends the attempt, and the allow-list unpickler reads the file instead.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge._pickles import float_run

from ._raw import RawTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_float_lists"]

_MARK = object()
_STOP = ord(".")
_RECORD = 9
_NEWEST = 5
_LET_GO = 1 << 24


class _UnknownRecordError(Exception):
    """A record outside the grammar."""


class _List:
    """A list of floats: the pieces it was written in, or the row of the matrix where they were put."""

    __slots__ = ("pieces", "row")

    def __init__(self) -> None:
        self.pieces: list[NDArray[np.float32]] = []
        self.row = -1


def read_float_lists(path: Path) -> RawTable | None:
    """Return the table of a pickled `dict[str, list[float]]`, names of one list sharing one vector; None for any other pickle."""
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            scan = _Scan(data)
            entries = scan.run()
        except (_UnknownRecordError, IndexError, KeyError, UnicodeDecodeError, ValueError, TypeError):
            return None
    if not entries:
        return None
    lists: dict[int, int] = {}
    vectors: list[_List] = []
    rows = np.empty(len(entries), dtype=np.int64)
    for i, vector in enumerate(entries.values()):
        rows[i] = lists.setdefault(id(vector), len(vectors))
        if rows[i] == len(vectors):
            vectors.append(vector)
    return RawTable(names=list(entries), vectors=_stack(vectors, scan.matrix), rows=rows, rounded=scan.rounded)


def _stack(lists: list[_List], matrix: NDArray[np.float32] | None) -> NDArray[np.float32] | list[NDArray[np.float32]]:
    """Return the matrix where every list has a row of it, in their order; else each list, for the check that names the odd ones."""
    if matrix is not None and [vector.row for vector in lists] == list(range(len(lists))):
        return matrix[: len(lists)]
    empty = np.empty(0, np.float32)
    return [
        np.concatenate([*vector.pieces, empty]) if matrix is None or vector.row < 0 else matrix[vector.row]
        for vector in lists
    ]


class _Scan:
    """One pass over the records; the stack holds marks, names, lists, the dict and runs of floats."""

    def __init__(self, data: mmap.mmap) -> None:
        self._bytes = np.frombuffer(data, dtype=np.uint8)
        self._data = data
        self._at = 0
        self._left = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._n_rows = 0
        self.matrix: NDArray[np.float32] | None = None
        self.rounded = False

    def run(self) -> dict[str, _List]:
        """Return the dict that the records spell."""
        try:
            return self._run()
        finally:
            # A view left behind would keep the file open.
            del self._bytes

    def _run(self) -> dict[str, _List]:
        steps = self._steps()
        while (code := self._data[self._at]) != _STOP:
            self._at += 1
            steps[code]()
        (result,) = self._stack
        if not isinstance(result, dict):
            raise _UnknownRecordError
        return result

    def _steps(self) -> dict[int, Callable[[], None]]:
        push, memo, number = self._stack.append, self._memo, self._number
        by_letter: dict[bytes, Callable[[], None]] = {
            b"\x80": lambda: self._within(number(1), _NEWEST),
            b"\x95": lambda: self._within(number(8), len(self._bytes) - self._at),
            b"(": lambda: push(_MARK),
            b"}": lambda: push({}),
            b"]": lambda: push(_List()),
            b"G": self._floats,
            b"\x8c": lambda: self._text(1),
            b"X": lambda: self._text(4),
            b"\x94": lambda: self._put(len(memo)),
            b"q": lambda: self._put(number(1)),
            b"r": lambda: self._put(number(4)),
            b"h": lambda: push(memo[number(1)]),
            b"j": lambda: push(memo[number(4)]),
            b"a": lambda: self._extend([self._stack.pop()]),
            b"e": lambda: self._extend(self._since_mark()),
            b"s": lambda: self._set([self._stack.pop(-2), self._stack.pop()]),
            b"u": lambda: self._set(self._since_mark()),
        }
        return {letter[0]: step for letter, step in by_letter.items()}

    @staticmethod
    def _within(value: int, most: int) -> None:
        if value > most:
            raise _UnknownRecordError

    def _number(self, width: int) -> int:
        start = self._at
        self._at += width
        return int.from_bytes(self._data[start : self._at], "little")

    def _text(self, width: int) -> None:
        if self._stack and isinstance(self._stack[-1], _List):
            # The next name begins, so that the list before it is whole.
            self._settle(self._stack[-1])
        length = self._number(width)
        start = self._at
        self._at += length
        self._stack.append(self._data[start : self._at].decode("utf-8", "surrogatepass"))

    def _put(self, key: int) -> None:
        if isinstance(self._stack[-1], np.ndarray):
            # Numbers have no name in a pickle; a run that had one could be repeated at three bytes a time.
            raise _UnknownRecordError
        self._memo[key] = self._stack[-1]

    def _floats(self) -> None:
        """Push the run of float records that begins one byte back."""
        doubles = float_run(self._bytes, self._at - 1)
        with np.errstate(over="ignore"):
            floats = doubles.astype(np.float32)
        if not len(floats) or np.isinf(floats).any():
            # Cut short, infinite, or beyond float32: the general reader says which.
            raise _UnknownRecordError
        if not self.rounded and not (floats == doubles).all():
            self.rounded = not np.array_equal(floats, doubles, equal_nan=True)
        self._stack.append(floats)
        self._at += _RECORD * len(floats) - 1

    def _since_mark(self) -> list[Any]:
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, _List) or not all(isinstance(item, np.ndarray) for item in items):
            raise _UnknownRecordError
        if target.row >= 0:
            # It has its row already, and pickle writes a list whole before anything holds it.
            raise _UnknownRecordError
        target.pieces.extend(items)

    def _set(self, items: list[Any]) -> None:
        target, names, lists = self._stack[-1], items[0::2], items[1::2]
        plain = all(isinstance(name, str) for name in names) and all(isinstance(value, _List) for value in lists)
        if not isinstance(target, dict) or not plain:
            raise _UnknownRecordError
        target.update(zip(names, lists, strict=True))
        for vector in lists:
            self._settle(vector)

    def _settle(self, vector: _List) -> None:
        """Put a list into the next row; memory is claimed once, for as many lists as the file can hold, and used as they come."""
        length = sum(map(len, vector.pieces))
        if vector.row >= 0 or not length:
            return
        if self.matrix is None:
            self.matrix = np.empty((len(self._bytes) // (_RECORD * length) + 1, length), dtype=np.float32)
        if length != self.matrix.shape[1]:
            return
        np.concatenate(vector.pieces, out=self.matrix[self._n_rows])
        vector.pieces.clear()
        vector.row = self._n_rows
        self._n_rows += 1
        self._let_go()

    def _let_go(self) -> None:
        """Tell the system that what was read so far is not needed again: mapped pages count as memory of the process."""
        if self._at - self._left >= _LET_GO and hasattr(mmap, "MADV_DONTNEED"):
            upto = self._at - self._at % mmap.PAGESIZE
            self._data.madvise(mmap.MADV_DONTNEED, self._left, upto - self._left)
            self._left = upto
