"""Where a perturbation moves control cells, in the plane that holds most of what they differ by and are moved by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._style import ACCENT, CONTRAST, INK, MUTED, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_displacement_field"]

_MOST_DOTS = 1_500


def plot_displacement_field(
    z: NDArray[np.floating],
    displacement: NDArray[np.floating],
    *,
    perturbation: str,
    perturbed: NDArray[np.floating] | None = None,
    n_bins: int = 7,
    ax: Axes | None = None,
) -> Axes:
    """Draw control cells as dots, and for each square of the plane the mean displacement of its cells as an arrow.

    The first axis is the direction of most displacement, the second the direction of most spread of the controls at a right angle to it.
    Arrows have the length of the displacement, in the unit of the axes.

    Parameters
    ----------
    z, displacement
        Control cells and where each is moved `(n_cells, n_dims)`.
    perturbation
        For the title.
    perturbed
        Perturbed cells `(n_perturbed, n_dims)`, drawn beside the controls if given.
    n_bins
        Squares along each axis.
    ax
        Where to draw; a new figure by default.
    """
    axes, centre = _plane(np.asarray(z, dtype=np.float64), np.asarray(displacement, dtype=np.float64))
    spots, arrows = (z - centre) @ axes, displacement @ axes
    if ax is None:
        ax = new_axes(width=5.4, height=4.6)
    _dots(ax, spots, color=MUTED, label="controls")
    if perturbed is not None and len(perturbed):
        _dots(ax, (perturbed - centre) @ axes, color=CONTRAST, label="perturbed, measured")
    low, high = np.quantile(spots, [0.01, 0.99], axis=0)
    step = np.maximum((high - low) / n_bins, 1e-12)
    square = np.clip(np.floor((spots - low) / step), 0, n_bins - 1).astype(np.int64)
    code = square[:, 0] * n_bins + square[:, 1]
    n = np.bincount(code, minlength=n_bins**2)
    held = np.flatnonzero(n >= max(3, len(spots) // 500))
    sums = [np.bincount(code, weights=v, minlength=n_bins**2)[held] / n[held] for v in (*spots.T, *arrows.T)]
    ax.quiver(*sums, angles="xy", scale_units="xy", scale=1.0, color=ACCENT, width=0.0045, alpha=0.85, zorder=3)
    ends = np.concatenate([spots, np.column_stack([sums[0] + sums[2], sums[1] + sums[3]])])
    left, right = np.quantile(ends, [0.002, 0.998], axis=0)
    pad = 0.06 * np.maximum(right - left, 1e-9)
    ax.set_xlim(left[0] - pad[0], right[0] + pad[0])
    ax.set_ylim(left[1] - pad[1], right[1] + pad[1])
    ax.set_xlabel("along the displacement (units of the latent)", fontsize=9, color=INK)
    ax.set_ylabel("across it, direction of most spread", fontsize=9, color=INK)
    if perturbed is not None and len(perturbed):
        ax.legend(frameon=False, fontsize=8, loc="best")
    tidy(ax, title=f"{perturbation}: where control cells are moved")
    return ax


def _plane(
    z: NDArray[np.float64], displacement: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two orthonormal axes `(n_dims, 2)` and the mean of the cells."""
    centre = z.mean(axis=0)
    first = _leading(displacement)
    if displacement.mean(axis=0) @ first < 0:
        first = -first
    apart = z - centre
    rest = apart - np.outer(apart @ first, first)
    second = _leading(rest) if z.shape[1] > 1 else np.zeros_like(first)
    return np.column_stack([first, second]), centre


def _leading(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Direction of the largest mean square."""
    _, vectors = np.linalg.eigh(values.T @ values)
    return np.asarray(vectors[:, -1])


def _dots(ax: Axes, spots: NDArray[np.float64], *, color: str, label: str) -> None:
    step = max(len(spots) // _MOST_DOTS, 1)
    ax.scatter(
        spots[::step, 0], spots[::step, 1], s=4, color=color, alpha=0.45, linewidths=0, label=label, rasterized=True
    )
