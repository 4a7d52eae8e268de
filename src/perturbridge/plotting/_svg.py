"""A figure as text, the same bytes for the same data."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import matplotlib as mpl

from ._style import themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure_svg"]


def figure_svg(ax: Axes) -> str:
    """Return the figure of `ax` as an `<svg>` element without XML head, date or random identifiers, on no ground of its own.

    Colors are CSS variables (`--figure-ink`, `--figure-muted`, `--figure-accent`, `--figure-contrast`) with ours as fallback.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "perturbridge", "svg.fonttype": "none", "font.family": "sans-serif"}):
        cast("Figure", ax.figure).savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = themed(buffer.getvalue())
    return text[text.index("<svg") :]
