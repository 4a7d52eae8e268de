"""Which contexts a probe takes for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from perturbridge.errors import DataError

from ._style import ACCENT, INK, new_axes, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from perturbridge.values import Check

__all__ = ["plot_confusion"]

_MAX_WRITTEN = 12


def plot_confusion(check: Check, *, probe: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the share of cells of each context (rows) that a probe names as each context (columns); rows sum to 1.

    Parameters
    ----------
    check
        A readout with the confusions of its probes.
    probe
        Which of them; default the strongest.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        If the check holds no confusion of that probe.
    """
    record = _probe(check, probe)
    counts = np.asarray(record["confusion"], dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    names = [str(name).replace("$", r"\$") for name in check.figures.get("contexts") or range(len(counts))]
    if len(names) != len(counts):
        names = [str(i) for i in range(len(counts))]
    if ax is None:
        side = 1.9 + 0.42 * min(len(counts), 20)
        ax = new_axes(width=side + 0.9, height=side)
    shades = LinearSegmentedColormap.from_list("shares", ["#ffffff", ACCENT])
    ax.imshow(shares, cmap=shades, vmin=0.0, vmax=1.0)
    if len(counts) <= _MAX_WRITTEN:
        _write(ax, shares)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel(f"named by the {record['probe']} probe".replace("$", r"\$"), fontsize=9, color=INK)
    ax.set_ylabel("context", fontsize=9, color=INK)
    recall, chance = record.get("balanced_accuracy"), record.get("chance")
    figure = "" if recall is None or chance is None else f": balanced accuracy {recall:.2f}, chance {chance:.2f}"
    tidy(ax, title=f"{check.name.replace('_', ' ')}{figure}")
    ax.tick_params(length=0)
    return ax


def _probe(check: Check, wanted: str | None) -> Mapping[str, Any]:
    name = wanted if wanted is not None else check.figures.get("strongest")
    for record in check.figures.get("probes") or ():
        if record["probe"] == name and record.get("confusion"):
            found: Mapping[str, Any] = record
            return found
    problem = f"Check {check.name!r} holds no confusion of probe {name!r}."
    raise DataError(problem, cure="Use a readout of at most 40 contexts, and one of its probes.")


def _write(ax: Axes, shares: NDArray[np.float64]) -> None:
    for (i, j), value in np.ndenumerate(shares):
        color = "#ffffff" if value > 0.55 else INK
        ax.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=7.5, color=color)
