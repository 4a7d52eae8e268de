"""Predicted beside measured Δ of many perturbations, as two maps in one order."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from matplotlib.figure import Figure

from ._style import INK, plain, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["plot_heatmaps"]


def plot_heatmaps(
    measured: ArrayLike,
    predicted: ArrayLike,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    ax: tuple[Axes, Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw two maps on one color scale, blue below and orange above zero; the scale ends at the 98th percentile of all |Δ|.

    Parameters
    ----------
    measured, predicted
        Δ `(n_rows, n_columns)`, log1p-CP10k.
    rows, columns
        Names of perturbations and genes, in the order to draw them.
    ax
        Where to draw; a new figure by default.
    """
    tables = [np.asarray(table, dtype=np.float64) for table in (measured, predicted)]
    if ax is None:
        width = 2.6 + 0.30 * len(columns)
        figure = Figure(figsize=(min(width, 10.5), 1.4 + 0.19 * len(rows)), layout="constrained")
        ax = cast("tuple[Axes, Axes]", tuple(figure.subplots(1, 2, sharey=True)))
    reach = float(np.quantile(np.abs(np.stack(tables)), 0.98)) or 1.0
    image = None
    for one, table, title in zip(ax, tables, ("Measured", "Predicted"), strict=True):
        image = one.imshow(table, cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
        one.set_xticks(range(len(columns)), [plain(name) for name in columns], rotation=90)
        one.set_yticks(range(len(rows)), [plain(name) for name in rows])
        tidy(one, title=title)
        one.tick_params(labelsize=7.5, length=0)
        one.spines[["left", "bottom"]].set_visible(False)
    if image is not None:
        bar = ax[1].figure.colorbar(image, ax=list(ax), shrink=0.7, pad=0.01)
        bar.ax.tick_params(labelsize=7.5, colors=INK)
        bar.set_label("Δ (log1p-CP10k)", fontsize=8.5, color=INK)
        bar.outline.set_visible(False)
    return ax
