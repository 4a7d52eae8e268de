"""One point per perturbation: the model against its best baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._labels import name_points
from ._style import ACCENT, INK, MUTED, new_axes, plain, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["plot_paired"]


def plot_paired(
    model: ArrayLike,
    baseline: ArrayLike,
    *,
    names: Sequence[str],
    labels: tuple[str, str],
    title: str,
    higher_is_better: bool,
    n_named: int = 6,
    ax: Axes | None = None,
) -> Axes:
    """Draw each perturbation's score under two models, with the line of equality.

    Parameters
    ----------
    model, baseline
        Scores `(n_perturbations,)`; a pair with a NaN is left out, and the title counts it.
    names
        Perturbations `(n_perturbations,)`.
    labels
        Names of the two.
    title
        Name of the metric with its unit.
    higher_is_better
        Direction; says on which side of the line the model wins.
    n_named
        So many of the largest differences are named.
    ax
        Where to draw; a new figure by default.
    """
    x, y = np.asarray(baseline, dtype=np.float64), np.asarray(model, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if ax is None:
        ax = new_axes(width=5.0, height=4.6)
    ax.scatter(x[kept], y[kept], s=16, color=ACCENT, alpha=0.65, linewidths=0)
    if kept.size:
        low, high = float(min(x[kept].min(), y[kept].min())), float(max(x[kept].max(), y[kept].max()))
        ax.plot([low, high], [low, high], color=MUTED, lw=1)
    largest = kept[np.argsort(-np.abs(y[kept] - x[kept]), kind="stable")[:n_named]]
    name_points(ax, largest.tolist(), x=x, y=y, names=names)
    wins = np.sum((y[kept] > x[kept]) if higher_is_better else (y[kept] < x[kept]))
    left_out = f", {len(x) - kept.size} undefined" if kept.size < len(x) else ""
    ax.set_xlabel(plain(labels[1]), fontsize=9, color=INK)
    ax.set_ylabel(plain(labels[0]), fontsize=9, color=INK)
    tidy(ax, title=f"{title}: better on {wins} of {kept.size}{left_out}")
    return ax
