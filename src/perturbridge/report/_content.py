"""What a report says, before it is laid out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Card", "Figure", "Report", "Section", "Table"]

Tone = Literal["good", "bad", "open"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Text cells under a heading.

    Parameters
    ----------
    columns
        Heads; a head that starts with `#` is set right, as numbers are, and sorts as numbers do.
    rows
        Cells as text.
    strong
        Index of the row to set off, or -1.
    title
        One line above the table, or empty.
    searchable
        Rows can be filtered in the browser, and the table scrolls within itself where it is long.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: int = -1
    title: str = ""
    searchable: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An `<svg>` element made by us, and one sentence on how to read it; `new_row` starts a row of figures that belong together."""

    svg: str
    caption: str
    new_row: bool = False


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number that a reader should see first.

    Parameters
    ----------
    label, value, note
        What it is, the number with its interval, and what to hold it against.
    tone
        `"good"`, `"bad"`, or `"open"` where nothing is shown either way; said by a word and a sign too, not by color alone.
    """

    label: str
    value: str
    note: str
    tone: Tone = "open"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with cards, warnings, sentences, tables and figures, in this order.

    Parameters
    ----------
    title
        The question it answers.
    sentences, warnings, alarms
        Text; an alarm is a warning that changes what the rest of the page is worth.
    cards, tables, figures
        As above.
    folded
        Shown when asked for; always open in print.
    """

    title: str
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    folded: bool = False

    def under(self, title: str) -> Section:
        """Return the section with another heading."""
        return replace(self, title=title)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A title, the answer in one paragraph, and the sections behind it, in the order to read them."""

    title: str
    answer: str
    sections: tuple[Section, ...]
    footer: str
