"""What each probe reads of the context, beside what it would read of nothing and what is tolerated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from perturbridge.errors import DataError

from ._style import ACCENT, ALERT, INK, MUTED, new_axes, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from matplotlib.axes import Axes

    from perturbridge.values import AuditReport, Check

__all__ = ["plot_probe_forest"]

_PREFIX = "readout_"
_DASHES = (0, (4, 3))


def plot_probe_forest(report: AuditReport, *, ax: Axes | None = None) -> Axes:
    """Draw the AUC of every probe with its interval, readout by readout, with the band of no effect and the tolerance.

    Parameters
    ----------
    report
        With readouts of probes; those without probes are left out.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        If no check of the report holds probes.
    """
    checks = [check for check in report.checks if check.name.startswith(_PREFIX) and check.figures.get("probes")]
    if not checks:
        problem = f"The audit of {report.latent!r} holds no readout of probes."
        raise DataError(problem, cure="Audit a latent with two contexts or more.")
    n_rows = sum(len(check.figures["probes"]) + 1 for check in checks)
    if ax is None:
        ax = new_axes(width=6.2, height=0.9 + 0.22 * n_rows)
    labels: list[tuple[int, str]] = []
    y = n_rows
    for check in checks:
        top = y
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        across = ax.get_yaxis_transform()
        ax.text(0.01, y, _title(check), transform=across, fontsize=9, color=INK, va="center", bbox=box)
        for probe in check.figures["probes"]:
            y -= 1
            labels.append((y, str(probe["probe"])))
            _draw(ax, probe, y, threshold=check.threshold)
        _band(ax, check, low=y - 0.5, high=top - 0.5)
        y -= 1
    ax.set_yticks([at for at, _ in labels], [text.replace("$", r"\$") for _, text in labels])
    ax.set_ylim(0.2, n_rows + 0.7)
    ax.axvline(0.5, color=MUTED, lw=1, zorder=0)
    ax.set_xlabel("AUC of the context (½ is chance)", fontsize=9, color=INK)
    ax.legend(
        handles=[
            Patch(facecolor=MUTED, alpha=0.25, lw=0, label="no effect, 95 %"),
            Line2D([], [], color=INK, lw=1, ls=_DASHES, label="tolerated"),
        ],
        ncols=2,
        frameon=False,
        fontsize=8,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.1,
    )
    tidy(ax, title=f"{report.latent}: {report.verdict}")
    return ax


def _title(check: Check) -> str:
    name = check.name.removeprefix(_PREFIX).replace("_", " ").replace("$", r"\$")
    return f"{name}: {check.verdict}" + ("" if check.gates else " (informs)")


def _draw(ax: Axes, probe: Mapping[str, Any], y: int, *, threshold: float) -> None:
    value, low, high = (_number(probe.get(key)) for key in ("auc", "low", "high"))
    if np.isnan(value):
        return
    color = ALERT if low > threshold else ACCENT
    ax.plot([low, high], [y, y], color=color, lw=2, solid_capstyle="butt")
    ax.plot(value, y, "D" if low > threshold else "o", color=color, ms=5)
    ax.annotate(f"{value:.3f}", (max(high, value), y), (5, -2.5), textcoords="offset points", fontsize=7.5, color=INK)


def _band(ax: Axes, check: Check, *, low: float, high: float) -> None:
    band = check.figures.get("null_band") or (np.nan, np.nan)
    left, right = (_number(bound) for bound in band)
    if np.isfinite(left) and np.isfinite(right):
        ax.fill_betweenx([low, high], left, right, color=MUTED, alpha=0.25, lw=0, zorder=0)
    if np.isfinite(check.threshold):
        ax.plot([check.threshold] * 2, [low, high], color=INK, lw=1, ls=_DASHES, zorder=0)


def _number(value: object) -> float:
    return float("nan") if value is None else float(str(value))
