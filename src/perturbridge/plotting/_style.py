"""Colors and the frame that every figure shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ACCENT", "ALERT", "CONTRAST", "INK", "MUTED", "new_axes", "plain", "themed", "tidy"]

# Blue, orange and grey of different lightness: told apart in print and by color-blind readers.
ACCENT = "#1f5fa8"
CONTRAST = "#c2570c"
MUTED = "#8a8f98"
# What breaks a tolerance; always beside a mark or a word that says so.
ALERT = "#b4531f"
INK = "#22262b"


def new_axes(*, width: float, height: float) -> Axes:
    """Return axes on a figure of their own, in inches, outside any global state of matplotlib."""
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def plain(name: str, *, longest: int = 36) -> str:
    """Return a name as text that matplotlib draws as it stands, cut where it would leave the figure no room.

    A dollar sign in a gene name must not start mathematics.
    """
    short = name if len(name) <= longest else name[: longest - 1] + "…"
    return short.replace("$", r"\$")


def themed(svg: str) -> str:
    """Let the page decide on the colors of a figure, with ours where it does not, so that a dark page has light ink."""
    names = {ACCENT: "accent", CONTRAST: "contrast", ALERT: "alert", MUTED: "muted", INK: "ink"}
    for color, name in names.items():
        svg = svg.replace(f": {color}", f": var(--figure-{name}, {color})")
    return svg


def tidy(ax: Axes, *, title: str) -> None:
    """Take away what carries no information, and put the title where reading starts."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=INK, labelsize=9)
    ax.set_title(plain(title, longest=90), loc="left", fontsize=10.5, color=INK)
