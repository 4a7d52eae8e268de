"""Whether intervals hold as often as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._style import ACCENT, INK, MUTED, new_axes, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["plot_coverage"]


def plot_coverage(
    levels: ArrayLike,
    covered: ArrayLike,
    *,
    title: str,
    spread: tuple[ArrayLike, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of real values inside intervals against their level, with the line of perfect intervals.

    Parameters
    ----------
    levels, covered
        Nominal and found coverage `(n_levels,)`, between 0 and 1.
    title
        What is shown.
    spread
        Lower and upper quartile over perturbations `(n_levels,)` each.
    ax
        Where to draw; a new figure by default.
    """
    x, y = np.asarray(levels, dtype=np.float64), np.asarray(covered, dtype=np.float64)
    if ax is None:
        ax = new_axes(width=3.6, height=3.2)
    ax.plot([0, 1], [0, 1], color=MUTED, lw=1)
    if spread is not None:
        low, high = (np.asarray(side, dtype=np.float64) for side in spread)
        ax.vlines(x, low, high, color=ACCENT, lw=3, alpha=0.35)
    ax.plot(x, y, "o-", color=ACCENT, ms=5, lw=1.2)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("level of the interval", fontsize=9, color=INK)
    ax.set_ylabel("real values inside", fontsize=9, color=INK)
    tidy(ax, title=plain(title))
    return ax
