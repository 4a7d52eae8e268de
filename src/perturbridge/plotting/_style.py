"""Colors and the frame that every figure shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ACCENT", "ALERT", "INK", "MUTED", "new_axes", "tidy"]

# Blue and grey of equal lightness steps: told apart in print and by color-blind readers.
ACCENT = "#1f5fa8"
MUTED = "#8a8f98"
# What breaks a tolerance; always beside a mark or a word that says so.
ALERT = "#b4531f"
INK = "#22262b"


def new_axes(*, width: float, height: float) -> Axes:
    """Return axes on a figure of their own, in inches, outside any global state of matplotlib."""
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def tidy(ax: Axes, *, title: str) -> None:
    """Take away what carries no information, and put the title where reading starts."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=INK, labelsize=9)
    # A dollar sign in a gene name must not start mathematics.
    ax.set_title(title.replace("$", r"\$"), loc="left", fontsize=10.5, color=INK)
