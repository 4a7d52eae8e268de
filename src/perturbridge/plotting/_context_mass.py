"""From which context to which a plan moves its mass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

from ._style import INK, new_axes, plain, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_context_mass"]

_WRITTEN = 8


def plot_context_mass(mass: NDArray[np.float64], *, contexts: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw the mass between contexts over what an independent plan would have: 1 everywhere where contexts do not steer the plan.

    Parameters
    ----------
    mass
        Shares `(n_contexts, n_contexts)`, controls in rows, perturbed cells in columns.
    contexts
        Names of both.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        If no mass was moved.
    """
    total = float(mass.sum())
    if not total > 0:
        problem = "The alignment made no plan, and no mass was moved between contexts."
        raise DataError(problem, cure="Give it more cells per perturbation and stratum (min_cells, min_controls).")
    shares = mass / total
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    lift = np.divide(shares, expected, out=np.ones_like(shares), where=expected > 0)
    n = len(contexts)
    if ax is None:
        ax = new_axes(width=min(3.4 + 0.32 * n, 9.0), height=min(2.6 + 0.3 * n, 8.0))
    image = ax.imshow(np.log2(np.maximum(lift, 2.0**-3)), cmap="PuOr_r", vmin=-2, vmax=2, aspect="auto")
    ticks = range(n) if n <= 24 else range(0, n, n // 12)
    names = [plain(contexts[i], longest=14) for i in ticks]
    ax.set_xticks(list(ticks), names, rotation=60, ha="right", fontsize=8)
    ax.set_yticks(list(ticks), names, fontsize=8)
    if n <= _WRITTEN:
        for i in range(n):
            for j in range(n):
                ax.text(j, i, f"{lift[i, j]:.2f}", ha="center", va="center", fontsize=7.5, color=INK)
    bar = ax.figure.colorbar(image, ax=ax, ticks=[-2, -1, 0, 1, 2], shrink=0.8)
    bar.ax.set_yticklabels(["¼", "½", "1", "2", "4"], fontsize=8)
    bar.set_label("mass over that of independent pairs", fontsize=8, color=INK)
    ax.set_xlabel("context of the perturbed cells", fontsize=9, color=INK)
    ax.set_ylabel("context of the controls", fontsize=9, color=INK)
    tidy(ax, title="Mass between contexts")
    return ax
