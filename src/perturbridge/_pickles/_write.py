"""A dict of lists of texts as a pickle, spelled record by record: it names nothing to import, so that whoever opens it runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["pickle_of_lists"]


def pickle_of_lists(table: Mapping[str, Sequence[str]]) -> bytes:
    r"""Return protocol 2 of `dict[str, list[str]]`, which every Python since 2.3 reads.

    Examples
    --------
    >>> pickle_of_lists({"test": ["A+ctrl"]})
    b'\x80\x02}(X\x04\x00\x00\x00test](X\x06\x00\x00\x00A+ctrleu.'
    """
    entries = b"".join(_text(name) + b"](" + b"".join(map(_text, texts)) + b"e" for name, texts in table.items())
    return b"\x80\x02}(" + entries + b"u."


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + len(data).to_bytes(4, "little") + data
