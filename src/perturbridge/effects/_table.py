"""The baselines that every model is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perturbridge.values import GeneEmbedding

from ._baselines import Additive, MeanEffect, NoChange, WeightedMeanEffect
from ._genepert import GenePert
from ._leakage import sister_suffix
from ._linear_factors import LinearFactors
from ._nearest_neighbors import NearestNeighbors
from ._shuffled import ShuffledEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._estimator import Estimator

__all__ = ["default_baselines"]


def default_baselines(sources: GeneEmbedding | Sequence[GeneEmbedding] = (), *, seed: int = 0) -> dict[str, Estimator]:
    """Return a fresh estimator of each kind by name; those that need an embedding come once for each source.

    Parameters
    ----------
    sources
        Embeddings; with several, names end in `:source`.
    seed
        Deals the vectors of the shuffled embedding.
    """
    given = (sources,) if isinstance(sources, GeneEmbedding) else tuple(sources)
    table: dict[str, Estimator] = {
        estimator.name: estimator
        for estimator in (NoChange(), MeanEffect(), WeightedMeanEffect(), Additive(), LinearFactors())
    }
    for source in given:
        ending = (f":{source.name}" if len(given) > 1 else "") + sister_suffix([source])
        for estimator in (NearestNeighbors(source), GenePert(source)):
            table[estimator.name + ending] = estimator
    if given:
        shuffled = ShuffledEmbedding(given, seed=seed)
        table[shuffled.name] = shuffled
    return table
