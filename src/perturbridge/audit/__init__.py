"""Can this latent be trusted before transport?

Takes: a latent, the context, sample, condition and state of its cells.
Gives: one check per question, and a report whose verdict opens or keeps shut the gate.
Depends on: values, numerics; scikit-learn, scipy, numba.
"""

from __future__ import annotations

from ._audit import audit_latent, audit_latents
from ._delta_gate import check_delta
from ._embedding_leak import check_embedding
from ._repair import Repair, Rung, repair_latent
from ._repair_steps import CLOSED_FORM_STEPS, RepairCells, RepairStep
from ._settings import AuditSettings

__all__ = [
    "CLOSED_FORM_STEPS",
    "AuditSettings",
    "Repair",
    "RepairCells",
    "RepairStep",
    "Rung",
    "audit_latent",
    "audit_latents",
    "check_delta",
    "check_embedding",
    "repair_latent",
]
