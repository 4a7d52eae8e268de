"""The same cells before and after: what a displacement does to the genes that it changes most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._style import ACCENT, CONTRAST, INK, MUTED, new_axes, plain, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_gene_shift"]

_MOST_CELLS = 60


def plot_gene_shift(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    *,
    genes: Sequence[str],
    perturbation: str,
    n_genes: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draw for each of the most changed genes one thin line per control cell, from its level before to its level after.

    Parameters
    ----------
    before, after
        Expected expression of the same cells, log1p-CP10k `(n_cells, n_genes)`.
    genes
        Names.
    perturbation
        For the title.
    n_genes
        So many genes, those with the largest mean change.
    ax
        Where to draw; a new figure by default.
    """
    change = (after - before).mean(axis=0)
    chosen = np.argsort(-np.abs(change), kind="stable")[:n_genes]
    step = max(len(before) // _MOST_CELLS, 1)
    if ax is None:
        ax = new_axes(width=6.4, height=0.8 + 0.36 * len(chosen))
    for row, gene in enumerate(chosen):
        color = ACCENT if change[gene] > 0 else CONTRAST
        low, high = before[::step, gene], after[::step, gene]
        spread = np.linspace(-0.28, 0.28, len(low))
        ax.hlines(row + spread, low, high, color=color, lw=0.6, alpha=0.5)
        ax.plot([before[:, gene].mean()], [row], "o", ms=5, color=MUTED, mec=INK, mew=0.6)
        ax.plot([after[:, gene].mean()], [row], "D", ms=5, color=color, mec=INK, mew=0.6)
    ax.set_yticks(range(len(chosen)), [plain(genes[g]) for g in chosen], fontsize=9)
    ax.invert_yaxis()
    ax.set_xlabel("log1p(counts per 10,000): circle before, diamond after", fontsize=9, color=INK)
    tidy(ax, title=f"{perturbation}: the same control cells before and after")
    return ax
