"""The same model on embeddings that were dealt out to the wrong genes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perturbridge._rng import spawn
from perturbridge.values import GeneEmbedding

from ._model import EffectModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perturbridge.values import Effects, PerturbationName, Prediction

__all__ = ["ShuffledEmbedding"]


class ShuffledEmbedding:
    """`EffectModel` on embeddings whose vectors were permuted over their genes: what a model gets without knowing which gene is which.

    Parameters
    ----------
    sources
        One embedding or several; each is permuted on its own.
    seed
        Draws the permutations.
    kernel
        As in `EffectModel`.
    """

    def __init__(
        self, sources: GeneEmbedding | Sequence[GeneEmbedding], *, seed: int = 0, kernel: str = "auto"
    ) -> None:
        self.sources = (sources,) if isinstance(sources, GeneEmbedding) else tuple(sources)
        self.seed = int(seed)
        self.kernel = kernel
        dealt = [
            replace(source, rows=rng.permutation(source.rows))
            for source, rng in zip(self.sources, spawn(self.seed, len(self.sources)), strict=True)
        ]
        self._model = EffectModel(dealt, kernel=kernel, name=self.name, seed=self.seed)

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "shuffled_embedding"

    def fit(self, effects: Effects, *, split_hash: str = "") -> ShuffledEmbedding:
        """Fit the model on the permuted embeddings; same errors as `EffectModel.fit`."""
        self._model.fit(effects, split_hash=split_hash)
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict Δ; FitError if not fitted."""
        return self._model.predict(perturbations)

    def clone(self) -> ShuffledEmbedding:
        """Return a copy with the same permutations that has learnt nothing."""
        return ShuffledEmbedding(self.sources, seed=self.seed, kernel=self.kernel)
