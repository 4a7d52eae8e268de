"""How strong each measured effect is beside what sampling alone would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._style import ACCENT, INK, MUTED, new_axes, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from perturbridge.values import Effects

__all__ = ["plot_strength"]


def plot_strength(effects: Effects, *, n_named: int = 8, ax: Axes | None = None) -> Axes:
    """Draw RMS Δ over genes against the number of cells, with the RMS that sampling noise alone gives.

    Parameters
    ----------
    effects
        Measured Δ; without sampling variances only the effects are drawn.
    n_named
        So many of the strongest are named.
    ax
        Where to draw; a new figure by default.
    """
    size = np.sqrt((effects.delta**2).mean(axis=1))
    if ax is None:
        ax = new_axes(width=6.2, height=3.4)
    ax.scatter(effects.n_cells, size, s=16, color=ACCENT, alpha=0.65, linewidths=0, label="measured")
    noise = effects.sampling_variance()
    if noise is not None:
        ax.scatter(
            effects.n_cells, np.sqrt(noise.mean(axis=1)), s=10, marker="_", color=MUTED, label="sampling noise alone"
        )
        ax.legend(frameon=False, fontsize=8.5, labelcolor=INK)
    for i in np.argsort(-size, kind="stable")[:n_named]:
        name = plain(str(effects.perturbations[i]))
        ax.annotate(name, (effects.n_cells[i], size[i]), (4, 2), textcoords="offset points", fontsize=7.5, color=INK)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("cells", fontsize=9, color=INK)
    ax.set_ylabel("RMS Δ (log1p-CP10k)", fontsize=9, color=INK)
    tidy(ax, title="Strength of the measured effects")
    return ax
