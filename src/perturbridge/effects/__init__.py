"""From gene embeddings to the effects of perturbations nobody has measured.

Takes: `Effects` of training perturbations, `GeneEmbedding` tables.
Gives: estimators that predict Δ (`Prediction`): the kernel ridge model, GenePert as published, and baselines of the same shape; explanations.
Depends on: values, numerics; numpy, scipy, safetensors; pandas for tables, gseapy (extra) for enrichment.
"""

from __future__ import annotations

from ._baselines import Additive, MeanEffect, NoChange, WeightedMeanEffect
from ._enrichment import enrich
from ._estimator import Estimator
from ._explain import Explanation
from ._genepert import GenePert
from ._linear_factors import LinearFactors
from ._model import EffectModel
from ._nearest_neighbors import NearestNeighbors
from ._regressor import RegressorModel
from ._shuffled import ShuffledEmbedding
from ._table import default_baselines
from ._training_sources import SourceMaker, TrainingResponses, coexpression_embedding, response_embedding

__all__ = [
    "Additive",
    "EffectModel",
    "Estimator",
    "Explanation",
    "GenePert",
    "LinearFactors",
    "MeanEffect",
    "NearestNeighbors",
    "NoChange",
    "RegressorModel",
    "ShuffledEmbedding",
    "SourceMaker",
    "TrainingResponses",
    "WeightedMeanEffect",
    "coexpression_embedding",
    "default_baselines",
    "enrich",
    "response_embedding",
]
