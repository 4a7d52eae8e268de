"""Cells of a perturbation nobody has seen: from a gene embedding to a displacement of every control cell.

Takes: an `Alignment`, control cells in the same latent, gene embeddings.
Gives: displacements, predicted cells and their Δ, with an uncertainty from held-out perturbations.
Depends on: values, numerics, injection; numpy, torch, safetensors.
"""

from __future__ import annotations

from ._ladder import Ladder, Rung
from ._model import ResponseModel
from ._settings import ResponseSettings
from ._synergy import Synergy

__all__ = ["Ladder", "ResponseModel", "ResponseSettings", "Rung", "Synergy"]
