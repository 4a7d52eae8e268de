"""One self-contained HTML file.

Takes: plain tables, sentences and SVG text.
Gives: HTML text, every name in it escaped.
Depends on: jinja2.
"""

from __future__ import annotations

from ._content import Card, Figure, Report, Section, Table
from ._render import render_report

__all__ = ["Card", "Figure", "Report", "Section", "Table", "render_report"]
