"""How far controls of different contexts lie apart, beside how far a perturbation moves cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Circle

from perturbridge.errors import DataError

from ._style import ACCENT, ALERT, INK, MUTED, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from perturbridge.values import Check

__all__ = ["plot_control_displacement"]


def plot_control_displacement(check: Check, *, n_named: int = 12, ax: Axes | None = None) -> Axes:
    """Draw the mean of each context's controls as an arrow from the mean of all, and the typical displacement as a circle.

    The plane is the one that holds most of the spread of the context means. An arrow that leaves the circle moves controls, which
    nobody perturbed, further than a perturbation moves cells.

    Parameters
    ----------
    check
        The check of transport.
    n_named
        So many of the furthest contexts are named.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        If the check holds no positions of controls.
    """
    shift = check.figures.get("control_shift")
    if not shift:
        problem = f"Check {check.name!r} holds no positions of controls."
        raise DataError(problem, cure="Audit with condition= and its controls, and draw the check of transport.")
    spots = np.column_stack([shift["x"], shift["y"]]).astype(np.float64)
    sizes, radius = np.asarray(shift["n"], dtype=np.float64), float(shift["typical_effect"])
    if ax is None:
        ax = new_axes(width=5.0, height=4.8)
    ax.add_patch(Circle((0, 0), radius, facecolor=MUTED, alpha=0.18, lw=0, zorder=0))
    ax.add_patch(Circle((0, 0), radius, fill=False, edgecolor=MUTED, lw=1.2, zorder=1))
    length = np.hypot(spots[:, 0], spots[:, 1])
    for (x, y), n, far in zip(spots, sizes, length > radius, strict=True):
        color = ALERT if far else ACCENT
        ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-", "color": color, "lw": 1.2})
        ax.scatter(x, y, s=14 + 60 * n / sizes.max(), color=color, marker="D" if far else "o", linewidths=0, zorder=3)
    for i in np.argsort(-length, kind="stable")[:n_named]:
        name = str(shift["contexts"][i]).replace("$", r"\$")
        ax.annotate(name, spots[i], (5, 4), textcoords="offset points", fontsize=8, color=INK)
    ax.plot(0, 0, "+", color=INK, ms=8)
    reach = 1.15 * max(radius, float(np.abs(spots).max(initial=0.0)), 1e-12)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set_xlabel("control means, first axis (units of the latent)", fontsize=9, color=INK)
    ax.set_ylabel("second axis", fontsize=9, color=INK)
    beyond = int((length > radius).sum())
    ax.text(0, -radius, "typical perturbation", fontsize=8, color=INK, ha="center", va="bottom")
    tidy(ax, title=f"Controls: {beyond} of {len(spots)} contexts beyond a typical perturbation")
    return ax
