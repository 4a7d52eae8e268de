"""What a report says, before it is laid out."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure", "Report", "Section", "Table"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Text cells under a heading.

    Parameters
    ----------
    columns
        Heads; a head that starts with `#` is set right, as numbers are.
    rows
        Cells as text.
    strong
        Index of the row to set off, or -1.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: int = -1


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An `<svg>` element made by us, and what it shows."""

    svg: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with sentences, warnings, tables and figures, in this order."""

    title: str
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """A title, the answer in one paragraph, and the sections behind it."""

    title: str
    answer: str
    sections: tuple[Section, ...]
    footer: str
