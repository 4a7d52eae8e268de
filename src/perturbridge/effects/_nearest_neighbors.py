"""Average of the most similar training perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError
from perturbridge.numerics import l2_normalize, nearest_rows
from perturbridge.values import Prediction, as_names

from ._estimator import require_rows, unfitted
from ._features import PerturbationFeatures
from ._source_kernel import require_overlap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from perturbridge.values import Effects, GeneEmbedding, PerturbationName

__all__ = ["NearestNeighbors"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fitted:
    genes: tuple[str, ...]
    vectors: NDArray[np.float64]
    delta: NDArray[np.float64]
    mean: NDArray[np.float64]
    split_hash: str


class NearestNeighbors:
    """Δ̂ = mean Δ of the k training rows with the most similar embedding (cosine; vectors of several genes are summed first).

    Rows without all of their vectors take no part and are predicted as the training mean.

    Parameters
    ----------
    source
        The embedding.
    k
        Neighbours, at least 1; all training rows where there are fewer.

    Raises
    ------
    FitError
        If `k` is below 1.
    """

    def __init__(self, source: GeneEmbedding, *, k: int = 10) -> None:
        if k < 1:
            problem = f"k is {k}."
            raise FitError(problem, cure="Use at least 1 neighbour.")
        self.source = source
        self.k = int(k)
        self._fitted: _Fitted | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "nearest_neighbors"

    def fit(self, effects: Effects, *, split_hash: str = "") -> NearestNeighbors:
        """Keep the rows whose genes all have a vector.

        Raises
        ------
        EmbeddingError
            If no gene has one.
        """
        require_rows(effects, at_least=1, name=self.name)
        require_overlap(self.source, sorted({g for name in effects.perturbations for g in name.genes}))
        features = PerturbationFeatures.of(self.source, effects.perturbations)
        use = features.is_complete
        self._fitted = _Fitted(
            genes=effects.genes,
            vectors=l2_normalize(features.sums[use]),
            delta=effects.delta[use],
            mean=effects.delta.mean(axis=0),
            split_hash=split_hash,
        )
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict means of neighbours; FitError if not fitted."""
        if self._fitted is None:
            raise unfitted(self.name)
        state, names = self._fitted, as_names(perturbations)
        features = PerturbationFeatures.of(self.source, names)
        delta = np.tile(state.mean, (len(names), 1))
        use = np.flatnonzero(features.is_complete)
        k = min(self.k, len(state.vectors))
        if len(use) and k:
            neighbors, _ = nearest_rows(l2_normalize(features.sums[use]), state.vectors, k=k)
            for i, rows in zip(use, neighbors, strict=True):
                delta[i] = state.delta[rows].mean(axis=0)
        return Prediction(
            perturbations=names,
            genes=state.genes,
            delta=delta,
            status=features.status,
            detail=features.detail,
            model=self.name,
            split_hash=state.split_hash,
        )

    def clone(self) -> NearestNeighbors:
        """Return a copy with the same settings that has learnt nothing."""
        return NearestNeighbors(self.source, k=self.k)
