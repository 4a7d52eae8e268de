"""Cells in a few dimensions: a conditional VAE in plain torch, with the context taken out on purpose.

Takes: a `Screen`, a `Split`, for injections a `GeneEmbedding`.
Gives: `LatentModel`, which fits on training rows and encodes any cells (`Latent`); PCA and a plain autoencoder as references.
Depends on: values; numpy, scipy, torch, safetensors.
"""

from __future__ import annotations

from ._architecture import Architecture
from ._diagnose import Diagnosis
from ._differential import DifferentialExpression
from ._draws import differential_expression, sample_cells, sample_posterior
from ._model import LatentModel
from ._training import Training
from .injection._interface import Injection, InjectionSpec
from .penalties._interface import Penalty, PenaltySpec, StepView
from .references._autoencoder import AutoencoderModel
from .references._pca import PcaModel

__all__ = [
    "Architecture",
    "AutoencoderModel",
    "Diagnosis",
    "DifferentialExpression",
    "Injection",
    "InjectionSpec",
    "LatentModel",
    "PcaModel",
    "Penalty",
    "PenaltySpec",
    "StepView",
    "Training",
    "differential_expression",
    "sample_cells",
    "sample_posterior",
]
