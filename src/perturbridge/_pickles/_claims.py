"""What a pickle claims, before anything believes it: the interpreter's own reader sets aside whatever room a pickle names."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import EmbeddingError

if TYPE_CHECKING:
    import mmap

    from numpy.typing import NDArray

__all__ = ["check_pickle_claims", "float_run"]

_FLOAT = ord("G")
_RECORD = 9
# Pickle writes lists in batches of 1,000; a longer look would be wasted.
_BATCH = 1024
# Records by what follows their letter: a fixed number of bytes, a number of lines, or a length of 1, 4 or 8 bytes and as many bytes.
_FIXED = MappingProxyType(
    {
        **dict.fromkeys(b"(.012NQRabd}el]ost)u\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98", 0),
        **dict.fromkeys(b"Kh\x80\x82", 1),
        **dict.fromkeys(b"M\x83", 2),
        **dict.fromkeys(b"Jj\x84", 4),
        **dict.fromkeys(b"G\x95", 8),
    }
)
_LINES = MappingProxyType({**dict.fromkeys(b"FILSVPg", 1), **dict.fromkeys(b"ci", 2)})
_COUNTED = MappingProxyType(
    {**dict.fromkeys(b"UC\x8c\x8a", 1), **dict.fromkeys(b"TBX\x8b", 4), **dict.fromkeys(b"\x8d\x8e\x96", 8)}
)
# Records that give the value on top a number to be named by later.
_PUTS = MappingProxyType({ord("q"): 1, ord("r"): 4})
_PUT_LINE = ord("p")
_STOP = ord(".")
_SLACK = 1024


def float_run(data: NDArray[np.uint8], start: int) -> NDArray[np.float64]:
    """Return the doubles of the float records from `start` on, at most a batch of them."""
    n_most = min(_BATCH, (len(data) - start) // _RECORD)
    block = data[start : start + n_most * _RECORD].reshape(n_most, _RECORD)
    other = np.flatnonzero(block[:, 0] != _FLOAT)
    n = int(other[0]) if other.size else n_most
    return np.ascontiguousarray(block[:n, 1:]).view(">f8")[:, 0]


def check_pickle_claims(data: bytes | mmap.mmap, *, start: int, where: str) -> None:
    """Walk the records of a pickle without running any, and hold what they claim against what there is.

    A few bytes can name the memo entry 4,000,000,000 and make the reader set aside 64 GB, or a text longer than the file.

    Raises
    ------
    EmbeddingError
        If a record names a memo entry far beyond those that exist or more bytes than follow, is unknown, or the end is missing.
    """
    try:
        _walk(data, start)
    except ValueError as error:
        problem = f"{where} is not a whole pickle of plain values: {error}."
        raise EmbeddingError(problem, cure="Download or write it again.") from error


def _walk(data: bytes | mmap.mmap, at: int) -> None:
    floats = np.frombuffer(data, dtype=np.uint8)
    n_named = 0
    try:
        while at < len(floats) and (code := data[at]) != _STOP:
            if code == _FLOAT:
                at += _RECORD * max(len(float_run(floats, at)), 1)
            elif code in _PUTS or code == _PUT_LINE:
                index, at = _named(data, at)
                n_named += 1
                _check_entry(index, n_named)
            else:
                at = _next(data, at, code)
        if at >= len(floats):
            message = "its end is missing, or a record is longer than the file"
            raise ValueError(message)
    finally:
        # A view that outlived this call in a traceback would keep a mapped file open.
        del floats


def _check_entry(index: int, n_named: int) -> None:
    if not 0 <= index <= 2 * n_named + _SLACK:
        message = f"it names entry {index:,} after {n_named:,} entries"
        raise ValueError(message)


def _next(data: bytes | mmap.mmap, at: int, code: int) -> int:
    """Return where the record after this one begins."""
    if code in _FIXED:
        return at + 1 + _FIXED[code]
    if code in _COUNTED:
        width = _COUNTED[code]
        return at + 1 + width + int.from_bytes(data[at + 1 : at + 1 + width], "little")
    return _after_lines(data, at, code)


def _named(data: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """Return the number that a record gives, and where the next record begins."""
    if data[at] == _PUT_LINE:
        end = _after_lines(data, at, _PUT_LINE)
        return int(data[at + 1 : end]), end
    width = _PUTS[data[at]]
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width


def _after_lines(data: bytes | mmap.mmap, at: int, code: int) -> int:
    n_lines = 1 if code == _PUT_LINE else _LINES.get(code, 0)
    if not n_lines:
        message = f"record {code:#x} at byte {at} is unknown"
        raise ValueError(message)
    for _ in range(n_lines):
        at = data.find(b"\n", at + 1)
        if at < 0:
            message = "a line has no end"
            raise ValueError(message)
    return at + 1
