"""GenePert as published: ridge on unit-length embeddings with a fixed penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError
from perturbridge.numerics import LooRidge, l2_normalize
from perturbridge.values import Prediction, as_names

from ._estimator import require_rows, unfitted
from ._features import PerturbationFeatures
from ._source_kernel import require_overlap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from perturbridge.values import Effects, GeneEmbedding, PerturbationName

__all__ = ["GenePert"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fitted:
    genes: tuple[str, ...]
    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]
    mean: NDArray[np.float64]
    split_hash: str


class GenePert:
    """min Σ_p ‖Δ_p − b − Wᵀ x_p‖² + α ‖W‖², x_p the unit vector of a gene, or of the sum of the raw vectors of several genes.

    The recipe of Chen and Zou (GenePert, bioRxiv 2024.10.27.620513): an intercept, equal weights, α fixed by hand. Fitting mean
    expression instead of Δ gives the same Δ, since the intercept takes the difference. One thing is not followed: a perturbation with a
    gene without a vector got an unseeded random unit vector there; here it takes no part in training and is predicted as the mean over
    all training rows, flagged. A pair is therefore shrunk as published, unlike in `EffectModel`.

    Parameters
    ----------
    source
        The embedding.
    alpha
        Penalty; the paper tried 0.1, 1 and 10 and reported the best on test rows.

    Raises
    ------
    FitError
        If `alpha` is not positive.
    """

    def __init__(self, source: GeneEmbedding, *, alpha: float = 1.0) -> None:
        if not (np.isfinite(alpha) and alpha > 0):
            problem = f"alpha is {alpha}."
            raise FitError(problem, cure="Pass a positive number.")
        self.source = source
        self.alpha = float(alpha)
        self._fitted: _Fitted | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "genepert"

    def fit(self, effects: Effects, *, split_hash: str = "") -> GenePert:
        """Learn from the rows whose genes all have a vector.

        Raises
        ------
        EmbeddingError
            If no gene has one.
        FitError
            If there is no row, or no row with all vectors.
        """
        require_rows(effects, at_least=1, name=self.name)
        features = PerturbationFeatures.of(self.source, effects.perturbations)
        require_overlap(self.source, sorted({g for name in effects.perturbations for g in name.genes}))
        use = features.is_complete
        if not use.any():
            problem = f"No training perturbation has a vector in {self.source.name!r} for all of its genes."
            raise FitError(problem, cure="Add single perturbations or an embedding that covers more genes.")
        ridge = LooRidge.from_features(l2_normalize(features.sums[use]), effects.delta[use])
        coefficients, intercept = ridge.solve(self.alpha)
        mean = effects.delta.mean(axis=0)
        self._fitted = _Fitted(
            genes=effects.genes, coefficients=coefficients, intercept=intercept, mean=mean, split_hash=split_hash
        )
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict Δ; a row that lacks a vector is the training mean and says so.

        Raises
        ------
        FitError
            If the model is not fitted.
        """
        if self._fitted is None:
            raise unfitted(self.name)
        state, names = self._fitted, as_names(perturbations)
        features = PerturbationFeatures.of(self.source, names)
        delta = l2_normalize(features.sums) @ state.coefficients + state.intercept
        delta[~features.is_complete] = state.mean
        return Prediction(
            perturbations=names,
            genes=state.genes,
            delta=delta,
            status=features.status,
            detail=features.detail,
            model=self.name,
            split_hash=state.split_hash,
        )

    def clone(self) -> GenePert:
        """Return a copy with the same settings that has learnt nothing."""
        return GenePert(self.source, alpha=self.alpha)
