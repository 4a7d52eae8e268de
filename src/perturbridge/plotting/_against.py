"""A score against a property of the perturbations: where a model works and where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._labels import name_points
from ._style import ACCENT, INK, MUTED, new_axes, plain, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["plot_against"]

_FEWEST_PER_BIN = 5
_MOST_BINS = 8


def plot_against(
    x: ArrayLike,
    y: ArrayLike,
    *,
    names: Sequence[str],
    labels: tuple[str, str],
    title: str,
    n_named: int = 4,
    ax: Axes | None = None,
) -> Axes:
    """Draw one point for each perturbation and the median of y in bins of equal numbers along x.

    Parameters
    ----------
    x, y
        Property and score `(n_perturbations,)`; a pair with a NaN is left out, and the title counts it.
    names
        Perturbations `(n_perturbations,)`.
    labels
        What x and y are, with units.
    title
        What is shown.
    n_named
        So many of the largest and smallest y, in all, are named.
    ax
        Where to draw; a new figure by default.
    """
    across, score = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(across) & np.isfinite(score))
    if ax is None:
        ax = new_axes(width=4.6, height=3.4)
    ax.scatter(across[kept], score[kept], s=16, color=ACCENT, alpha=0.65, linewidths=0)
    centers, medians = _medians(across[kept], score[kept])
    if len(centers) > 1:
        ax.plot(centers, medians, color=INK, lw=1.6, marker="o", ms=3.5)
    ranked = kept[np.argsort(score[kept], kind="stable")]
    ends = dict.fromkeys([*ranked[: n_named // 2].tolist(), *ranked[len(ranked) - n_named // 2 :].tolist()])
    name_points(ax, ends, x=across, y=score, names=names)
    ax.axhline(0, color=MUTED, lw=0.6)
    ax.set_xlabel(plain(labels[0]), fontsize=9, color=INK)
    ax.set_ylabel(plain(labels[1]), fontsize=9, color=INK)
    left_out = f", {len(across) - kept.size} unknown" if kept.size < len(across) else ""
    tidy(ax, title=title + left_out)
    return ax


def _medians(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n_bins = min(_MOST_BINS, len(x) // _FEWEST_PER_BIN)
    if n_bins < 2:
        return np.zeros(0), np.zeros(0)
    parts = np.array_split(np.argsort(x, kind="stable"), n_bins)
    return np.array([np.median(x[p]) for p in parts]), np.array([np.median(y[p]) for p in parts])
