"""Baselines that need no embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import as_names

from ._estimator import as_prediction, require_rows, unfitted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName, Prediction

__all__ = ["Additive", "MeanEffect", "NoChange", "WeightedMeanEffect"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Profile:
    """One profile for every perturbation."""

    genes: tuple[str, ...]
    delta: NDArray[np.float64]
    split_hash: str

    def predict(self, perturbations: Iterable[str | PerturbationName], *, model: str) -> Prediction:
        names = as_names(perturbations)
        delta = np.tile(self.delta, (len(names), 1))
        return as_prediction(names, delta, effects_genes=self.genes, model=model, split_hash=self.split_hash)


class NoChange:
    """Δ̂ = 0: the perturbation does nothing."""

    def __init__(self) -> None:
        self._fitted: _Profile | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "no_change"

    def fit(self, effects: Effects, *, split_hash: str = "") -> NoChange:
        """Note the genes."""
        self._fitted = _Profile(genes=effects.genes, delta=np.zeros(len(effects.genes)), split_hash=split_hash)
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict zeros; FitError if not fitted."""
        if self._fitted is None:
            raise unfitted(self.name)
        return self._fitted.predict(perturbations, model=self.name)

    def clone(self) -> NoChange:
        """Return a copy that has learnt nothing."""
        return NoChange()


class MeanEffect:
    """Δ̂ = mean of the training rows, each row once."""

    def __init__(self) -> None:
        self._fitted: _Profile | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "mean"

    def fit(self, effects: Effects, *, split_hash: str = "") -> MeanEffect:
        """Average the rows; FitError if there is none."""
        require_rows(effects, at_least=1, name=self.name)
        self._fitted = _Profile(genes=effects.genes, delta=effects.delta.mean(axis=0), split_hash=split_hash)
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict the mean; FitError if not fitted."""
        if self._fitted is None:
            raise unfitted(self.name)
        return self._fitted.predict(perturbations, model=self.name)

    def clone(self) -> MeanEffect:
        """Return a copy that has learnt nothing."""
        return MeanEffect()


class WeightedMeanEffect:
    """Δ̂ = Σ_p n_p Δ_p / Σ_p n_p, rows weighted by their numbers of cells n: the effect of the average perturbed cell."""

    def __init__(self) -> None:
        self._fitted: _Profile | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "weighted_mean"

    def fit(self, effects: Effects, *, split_hash: str = "") -> WeightedMeanEffect:
        """Average the rows by cells; FitError if there is none."""
        require_rows(effects, at_least=1, name=self.name)
        weights = effects.n_cells / effects.n_cells.sum()
        self._fitted = _Profile(genes=effects.genes, delta=weights @ effects.delta, split_hash=split_hash)
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict the weighted mean; FitError if not fitted."""
        if self._fitted is None:
            raise unfitted(self.name)
        return self._fitted.predict(perturbations, model=self.name)

    def clone(self) -> WeightedMeanEffect:
        """Return a copy that has learnt nothing."""
        return WeightedMeanEffect()


@dataclass(frozen=True, eq=False, kw_only=True)
class _Singles:
    genes: tuple[str, ...]
    measured: dict[str, NDArray[np.float64]]
    mean: NDArray[np.float64]
    single_mean: NDArray[np.float64]
    split_hash: str


class Additive:
    """Δ̂(A+B) = Δ_A + Δ_B as measured in training, the mean over the training singles where one was not.

    A single perturbation is predicted as the mean of all training rows; a combination with nothing measured likewise where training has no
    singles.
    """

    def __init__(self) -> None:
        self._fitted: _Singles | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "additive"

    def fit(self, effects: Effects, *, split_hash: str = "") -> Additive:
        """Keep the singles; FitError if there is no row."""
        require_rows(effects, at_least=1, name=self.name)
        rows = [i for i, name in enumerate(effects.perturbations) if name.is_single]
        mean = effects.delta.mean(axis=0)
        self._fitted = _Singles(
            genes=effects.genes,
            measured={effects.perturbations[i].genes[0]: effects.delta[i] for i in rows},
            mean=mean,
            single_mean=effects.delta[rows].mean(axis=0) if rows else mean,
            split_hash=split_hash,
        )
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict sums; FitError if not fitted."""
        if self._fitted is None:
            raise unfitted(self.name)
        state, names = self._fitted, as_names(perturbations)
        delta = np.empty((len(names), len(state.genes)))
        for i, name in enumerate(names):
            known = [state.measured.get(gene, state.single_mean) for gene in name.genes]
            delta[i] = state.mean if name.is_single or not state.measured else np.sum(known, axis=0)
        return as_prediction(names, delta, effects_genes=state.genes, model=self.name, split_hash=state.split_hash)

    def clone(self) -> Additive:
        """Return a copy that has learnt nothing."""
        return Additive()
