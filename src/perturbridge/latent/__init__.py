"""Cells in a few dimensions: a conditional VAE in plain torch, with the context taken out on purpose.

Takes: a `Screen`, a `Split`, for injections a `GeneEmbedding`.
Gives: `LatentModel`, which fits on training rows and encodes any cells (`Latent`).
Depends on: values; numpy, torch, safetensors.
"""

from __future__ import annotations

from ._architecture import Architecture
from ._model import LatentModel
from ._training import Training
from .injection._interface import Injection, InjectionSpec
from .penalties._interface import Penalty, PenaltySpec, StepView

__all__ = [
    "Architecture",
    "Injection",
    "InjectionSpec",
    "LatentModel",
    "Penalty",
    "PenaltySpec",
    "StepView",
    "Training",
]
