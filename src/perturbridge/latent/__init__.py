"""Cells in a few dimensions: a conditional VAE in plain torch, with the context taken out on purpose.

Takes: a `Screen`, a `Split`, for injections a `GeneEmbedding`.
Gives: `LatentModel`, which fits on training rows and encodes any cells (`Latent`); PCA and a plain autoencoder as references.
Depends on: values; numpy, scipy, torch, safetensors.
"""

from __future__ import annotations

from perturbridge.injection import AdditiveShift, Concat, ConditionalLayerNorm, FiLM, Injection, InjectionSpec

from ._architecture import Architecture
from ._designs import DESIGNS, latent_design, one_hot_genes
from ._diagnose import Diagnosis
from ._differential import DifferentialExpression
from ._draws import differential_expression, sample_at, sample_cells, sample_posterior
from ._groupings import carried as carried_labels
from ._model import LatentModel
from ._reading import latent_settings
from ._settings import LatentSettings
from ._training import Training
from .penalties import Separation
from .penalties._interface import Penalty, PenaltySpec, StepView
from .references._autoencoder import AutoencoderModel
from .references._pca import PcaModel

__all__ = [
    "DESIGNS",
    "AdditiveShift",
    "Architecture",
    "AutoencoderModel",
    "Concat",
    "ConditionalLayerNorm",
    "Diagnosis",
    "DifferentialExpression",
    "FiLM",
    "Injection",
    "InjectionSpec",
    "LatentModel",
    "LatentSettings",
    "PcaModel",
    "Penalty",
    "PenaltySpec",
    "Separation",
    "StepView",
    "Training",
    "carried_labels",
    "differential_expression",
    "latent_design",
    "latent_settings",
    "one_hot_genes",
    "sample_at",
    "sample_cells",
    "sample_posterior",
]
