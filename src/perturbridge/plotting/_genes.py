"""One perturbation, gene by gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._labels import name_points
from ._style import ACCENT, CONTRAST, INK, MUTED, new_axes, plain, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["plot_observed", "plot_top_genes", "plot_volcano"]


def plot_top_genes(
    predicted: ArrayLike,
    *,
    genes: Sequence[str],
    title: str,
    measured: ArrayLike | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    n_shown: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw the genes with the largest predicted |Δ|: prediction with its interval, and what was measured.

    Parameters
    ----------
    predicted
        Δ `(n_genes,)`, log1p-CP10k.
    genes
        Names `(n_genes,)`.
    title
        The perturbation.
    measured
        Measured Δ `(n_genes,)`, where there is any.
    bounds
        Lower and upper bound of the prediction, `(n_genes,)` each.
    n_shown
        So many genes.
    ax
        Where to draw; a new figure by default.
    """
    delta = np.asarray(predicted, dtype=np.float64)
    shown = np.argsort(-np.abs(delta), kind="stable")[:n_shown]
    shown = shown[np.argsort(delta[shown], kind="stable")]
    if ax is None:
        ax = new_axes(width=3.7, height=0.9 + 0.22 * len(shown))
    place = np.arange(len(shown))
    ax.axvline(0, color=MUTED, lw=0.8)
    if bounds is not None:
        low, high = (np.asarray(bound, dtype=np.float64)[shown] for bound in bounds)
        ax.hlines(place, low, high, color=ACCENT, lw=2, alpha=0.45)
    ax.plot(delta[shown], place, "o", color=ACCENT, ms=5, label="predicted")
    if measured is not None:
        ax.plot(
            np.asarray(measured, dtype=np.float64)[shown],
            place,
            "D",
            color=CONTRAST,
            ms=4,
            mfc="none",
            label="measured",
        )
    ax.legend(frameon=False, fontsize=7.5, loc="lower right", labelcolor=INK)
    ax.set_yticks(place, [plain(genes[i]) for i in shown])
    ax.set_xlabel("Δ (log1p-CP10k)", fontsize=9, color=INK)
    tidy(ax, title=title)
    ax.tick_params(axis="y", labelsize=8)
    return ax


def plot_observed(
    measured: ArrayLike,
    predicted: ArrayLike,
    *,
    genes: Sequence[str],
    title: str,
    n_named: int = 6,
    ax: Axes | None = None,
) -> Axes:
    """Draw predicted against measured Δ of every gene of one perturbation, with the line of equality.

    Parameters
    ----------
    measured, predicted
        Δ `(n_genes,)`, log1p-CP10k.
    genes
        Names `(n_genes,)`.
    title
        The perturbation.
    n_named
        So many of the largest measured |Δ| are named.
    ax
        Where to draw; a new figure by default.
    """
    x, y = np.asarray(measured, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if ax is None:
        ax = new_axes(width=3.2, height=3.2)
    ax.axhline(0, color=MUTED, lw=0.6)
    ax.axvline(0, color=MUTED, lw=0.6)
    if len(x):
        ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
        ax.plot(ends, ends, color=MUTED, lw=1)
    ax.scatter(x, y, s=9, color=ACCENT, alpha=0.55, linewidths=0)
    name_points(ax, np.argsort(-np.abs(x), kind="stable")[:n_named].tolist(), x=x, y=y, names=genes)
    ax.set_xlabel("measured Δ (log1p-CP10k)", fontsize=9, color=INK)
    ax.set_ylabel("predicted Δ", fontsize=9, color=INK)
    tidy(ax, title=title)
    return ax


def plot_volcano(
    delta: ArrayLike,
    p: ArrayLike,
    *,
    genes: Sequence[str],
    significant: ArrayLike,
    title: str,
    n_named: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """Draw −log10 p against Δ of every gene of one perturbation; significant ones in color, p cut at 1e-50.

    Parameters
    ----------
    delta, p
        Δ in log1p-CP10k and its p-value `(n_genes,)`.
    genes
        Names `(n_genes,)`.
    significant
        Which genes are called `(n_genes,)`.
    title
        The perturbation.
    n_named
        So many of the smallest p are named.
    ax
        Where to draw; a new figure by default.
    """
    x, called = np.asarray(delta, dtype=np.float64), np.asarray(significant, dtype=np.bool_)
    height = -np.log10(np.maximum(np.asarray(p, dtype=np.float64), 1e-50))
    if ax is None:
        ax = new_axes(width=3.2, height=3.2)
    for chosen, color in ((~called, MUTED), (called, CONTRAST)):
        ax.scatter(x[chosen], height[chosen], s=9, color=color, alpha=0.6, linewidths=0)
    named = [i for i in np.lexsort((-np.abs(x), -height))[:n_named].tolist() if called[i]]
    name_points(ax, named, x=x, y=height, names=genes)
    ax.set_xlabel("Δ (log1p-CP10k)", fontsize=9, color=INK)
    ax.set_ylabel("−log10 p", fontsize=9, color=INK)
    tidy(ax, title=title)
    return ax
