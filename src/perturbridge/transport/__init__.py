"""Optimal transport between controls and perturbed cells, behind the audit's gate.

Takes: a `Latent` and the `AuditReport` that opens the gate for it.
Gives: `align_latent`, whose `Alignment` moves any control cell, with a report of every plan; a second opinion, and synergy of combinations.
Depends on: values, numerics, workers; numpy, scipy, pot, safetensors.
"""

from __future__ import annotations

from ._align import align_latent
from ._confounder import ConfounderMatched, confounder_matched
from ._settings import AlignmentSettings
from ._store import read_alignment, write_alignment
from ._synergy import Synergy, synergy
from .solvers import SOLVERS

__all__ = [
    "SOLVERS",
    "AlignmentSettings",
    "ConfounderMatched",
    "Synergy",
    "align_latent",
    "confounder_matched",
    "read_alignment",
    "synergy",
    "write_alignment",
]
