"""Several latents: what they give away of the context beside what they keep of biology."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

from ._style import ACCENT, ALERT, INK, MUTED, new_axes, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from perturbridge.values import AuditReport, Check

__all__ = ["plot_leak_biology"]

_READOUTS = ("readout_within", "readout_random")


def plot_leak_biology(reports: Sequence[AuditReport], *, ax: Axes | None = None) -> Axes:
    """Draw one point per latent: AUC of the context to the right, biology kept upward, with both intervals and tolerances.

    The leak is the readout within strata where there is one, else that of the random split. The better latents lie top left.

    Parameters
    ----------
    reports
        Audits, one per latent; those without both checks are named in the title and left out.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        If no report holds a readout and what is kept.
    """
    drawn = [(report, leak, kept) for report in reports for leak, kept in [_both(report)] if leak and kept]
    if not drawn:
        problem = f"None of {len(reports)} audits holds a readout of the context beside what is kept of biology."
        raise DataError(problem, cure="Audit with condition= or state=, so that there is biology to keep.")
    if ax is None:
        ax = new_axes(width=5.6, height=4.2)
    for i, (report, leak, kept) in enumerate(sorted(drawn, key=lambda each: each[1].effect)):
        good = report.verdict == "pass"
        color, marker = (ACCENT, "o") if good else (ALERT if report.verdict == "fail" else MUTED, "D")
        ax.plot([leak.low, leak.high], [kept.effect] * 2, color=color, lw=1.5)
        ax.plot([leak.effect] * 2, [kept.low, kept.high], color=color, lw=1.5)
        ax.plot(leak.effect, kept.effect, marker, color=color, ms=7)
        text = f"{report.latent} ({report.verdict})".replace("$", r"\$")
        ax.annotate(
            text,
            (leak.effect, kept.effect),
            (6, -12 if i % 2 else 6),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    _tolerances(ax, drawn[0][1], drawn[0][2])
    ax.margins(x=0.22, y=0.2)
    ax.set_xlabel("AUC of the context (½ is chance)", fontsize=9, color=INK)
    ax.set_ylabel(_kept_label([kept for _, _, kept in drawn]), fontsize=9, color=INK)
    missing = len(reports) - len(drawn)
    tidy(ax, title="Leak and biology" + (f" ({missing} latents without both)" if missing else ""))
    return ax


def _both(report: AuditReport) -> tuple[Check | None, Check | None]:
    checks = {check.name: check for check in report.checks if np.isfinite(check.effect)}
    leak = next((checks[name] for name in _READOUTS if name in checks), None)
    return leak, checks.get("kept")


def _tolerances(ax: Axes, leak: Check, kept: Check) -> None:
    if np.isfinite(leak.threshold):
        ax.axvline(leak.threshold, color=INK, lw=1, ls=(0, (4, 3)), zorder=0)
    if np.isfinite(kept.threshold):
        ax.axhline(kept.threshold, color=INK, lw=1, ls=(0, (4, 3)), zorder=0)
    ax.axvline(0.5, color=MUTED, lw=1, zorder=0)


def _kept_label(kept: Sequence[Check]) -> str:
    names = sorted({check.effect_name for check in kept})
    return " /\n".join(names).replace("$", r"\$") or "biology kept"
