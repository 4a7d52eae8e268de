"""From a readout to a verdict: by equivalence, never by absence of significance."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perturbridge.values import Verdict

    from ._readout import Readout
    from ._settings import AuditSettings

__all__ = ["DEFAULT_CURE", "judge_leak"]

DEFAULT_CURE = (
    "Repair the latent (perturbridge audit --repair: centring, linear erasure, a context-conditional VAE), or pair cells within their "
    "context."
)


def judge_leak(readout: Readout, settings: AuditSettings) -> tuple[Verdict, str]:
    """Return the verdict and what would settle it.

    `fail`: a simultaneous lower bound lies above the tolerance. `pass`: every probe's upper bound lies below it and none reads below ½
    where another does not read above. `underpowered`: the bounds hold both no leak at all and more than is tolerated. `warn`: some leak
    on either side of the tolerance, or over-erased.

    Parameters
    ----------
    readout
        What the ladder read.
    settings
        Tolerance and confidence.
    """
    tolerance = settings.leak_tolerance
    if isnan(readout.strongest.auc.value) or readout.n_pairs == 0:
        return "not_identifiable", "No fold holds two contexts in one stratum."
    if readout.low > tolerance:
        return "fail", ""
    if readout.high >= tolerance and readout.low <= 0.5:
        n_cells = len(readout.task.codes)
        needed = int(n_cells * ((readout.high - 0.5) / (0.8 * (tolerance - 0.5))) ** 2)
        return (
            "underpowered",
            f"About {needed:,} cells, contexts in these shares, would settle it ({n_cells:,} were read).",
        )
    if readout.inverted is not None:
        r = readout.inverted
        return (
            "warn",
            f"{r.probe} reads {r.auc.value:.3f}, below chance: linear erasure went too far, or was fitted on these cells.",
        )
    return ("pass", "") if readout.high < tolerance else ("warn", "")
