"""One metric, all models: value and interval, best on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._style import ACCENT, INK, MUTED, new_axes, plain, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["plot_forest"]


def plot_forest(
    names: Sequence[str],
    values: ArrayLike,
    *,
    lower: ArrayLike,
    upper: ArrayLike,
    title: str,
    higher_is_better: bool,
    highlight: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw value and interval of one metric for each model, the best on top.

    Parameters
    ----------
    names
        Models `(n_models,)`.
    values, lower, upper
        Mean and interval bounds `(n_models,)`; a model whose value is NaN is listed without a mark.
    title
        Name of the metric with its unit.
    higher_is_better
        Direction of the metric; sorts the models.
    highlight
        The model to color.
    ax
        Where to draw; a new figure by default.
    """
    mean, low, high = (np.asarray(a, dtype=np.float64) for a in (values, lower, upper))
    signed = np.where(np.isnan(mean), -np.inf, mean if higher_is_better else -mean)
    order = np.argsort(signed, kind="stable")
    if ax is None:
        ax = new_axes(width=4.9, height=0.7 + 0.26 * len(names))
    for y, i in enumerate(order):
        color = ACCENT if names[i] == highlight else MUTED
        if np.isnan(mean[i]):
            continue
        ax.plot([low[i], high[i]], [y, y], color=color, lw=2, solid_capstyle="butt")
        ax.plot(mean[i], y, "o", color=color, ms=6)
        ax.annotate(
            f"{mean[i]:.3f}", (mean[i], y), (0, 5), textcoords="offset points", ha="center", fontsize=7.5, color=INK
        )
    ax.set_yticks(range(len(order)), [plain(names[i]) for i in order])
    ax.set_ylim(-0.6, len(order) - 0.2)
    ax.margins(x=0.08)
    tidy(ax, title=f"{title} ({'higher' if higher_is_better else 'lower'} is better)")
    return ax
