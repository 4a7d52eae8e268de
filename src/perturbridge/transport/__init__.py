"""Optimal transport between controls and perturbed cells, behind the audit's gate.

Takes: a `Latent` and the `AuditReport` that opens the gate for it.
Gives: `align_latent`, whose `Alignment` moves any control cell, with a report of every plan.
Depends on: values, numerics; numpy, scipy, pot, safetensors.
"""

from __future__ import annotations

from ._align import align_latent
from ._settings import AlignmentSettings
from ._store import read_alignment, write_alignment
from .solvers import SOLVERS

__all__ = ["SOLVERS", "AlignmentSettings", "align_latent", "read_alignment", "write_alignment"]
