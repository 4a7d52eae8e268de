"""A figure as text, the same bytes for the same data."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import matplotlib as mpl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure_svg"]


def figure_svg(ax: Axes) -> str:
    """Return the figure of `ax` as an `<svg>` element without XML head, date or random identifiers."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "perturbridge", "svg.fonttype": "none", "font.family": "sans-serif"}):
        cast("Figure", ax.figure).savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
