"""The linear baseline of Ahlmann-Eltze and Huber: factors of the measured genes times vectors of the perturbed gene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError
from perturbridge.numerics import sum_rows
from perturbridge.values import Prediction, as_names

from ._estimator import require_rows, unfitted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName

__all__ = ["LinearFactors"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fitted:
    genes: tuple[str, ...]
    loadings: NDArray[np.float64]
    weights: NDArray[np.floating]
    mean: NDArray[np.float64]
    split_hash: str


class LinearFactors:
    """Y ≈ G W Pᵀ + b with W = (GᵀG + λI)⁻¹ Gᵀ (Y − b) P (PᵀP + λI)⁻¹, Y = Δ of the training rows by gene, b its mean over rows.

    As published (Ahlmann-Eltze, Huber and Anders, Nature Methods 2025; K = 10, λ = 0.1) with both sides learnt from training: G
    `(n_genes, K)` are the principal component scores of the genes over their training profiles (centred by profile), P `(n_perturbations,
    K)` the rows of G of the perturbed genes. The profiles are mean expression, Δ plus the control of its contexts. A perturbed gene that
    was not measured has no row of G: it takes no part in training and is predicted as the mean, flagged. The vectors of a combination
    are summed.

    Parameters
    ----------
    n_factors
        K; fewer where there are fewer training rows.
    ridge
        λ, on both sides.

    Raises
    ------
    FitError
        If `n_factors` is below 1 or `ridge` is not positive.
    """

    def __init__(self, *, n_factors: int = 10, ridge: float = 0.1) -> None:
        if n_factors < 1 or not ridge > 0:
            problem = f"n_factors is {n_factors} and ridge is {ridge}."
            raise FitError(problem, cure="Use at least 1 factor and a positive penalty.")
        self.n_factors = int(n_factors)
        self.ridge = float(ridge)
        self._fitted: _Fitted | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return "linear_factors"

    def fit(self, effects: Effects, *, split_hash: str = "") -> LinearFactors:
        """Learn loadings and W from the training rows; FitError if there is none."""
        require_rows(effects, at_least=1, name=self.name)
        profiles = effects.delta + effects.matched_control
        by_gene = (profiles - profiles.mean(axis=1, keepdims=True)).T
        left, sizes, _ = np.linalg.svd(by_gene, full_matrices=False)
        k = min(self.n_factors, len(sizes))
        loadings = left[:, :k] * sizes[:k]
        sums, found = _sum_loadings(loadings, effects.genes, effects.perturbations)
        mean = effects.delta.mean(axis=0)
        sides = loadings.T @ (effects.delta - mean).T[:, found] @ sums[found]
        penalty = self.ridge * np.eye(k)
        weights = np.linalg.solve(loadings.T @ loadings + penalty, sides)
        weights = np.linalg.solve(sums[found].T @ sums[found] + penalty, weights.T).T
        self._fitted = _Fitted(
            genes=effects.genes, loadings=loadings, weights=weights, mean=mean, split_hash=split_hash
        )
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName]) -> Prediction:
        """Predict Δ; a perturbation with a gene that was not measured is the mean and says so. FitError if not fitted."""
        if self._fitted is None:
            raise unfitted(self.name)
        state, names = self._fitted, as_names(perturbations)
        sums, found = _sum_loadings(state.loadings, state.genes, names)
        sums[~found] = 0.0
        measured = set(state.genes)
        lacking = [[gene for gene in name.genes if gene not in measured] for name in names]
        return Prediction(
            perturbations=names,
            genes=state.genes,
            delta=sums @ state.weights.T @ state.loadings.T + state.mean,
            status=tuple(
                "predicted" if not lost else "no_embedding" if len(lost) == len(name.genes) else "partial_embedding"
                for name, lost in zip(names, lacking, strict=True)
            ),
            detail=tuple(
                f"{', '.join(lost)}: not among the measured genes, predicted as the training mean" if lost else ""
                for lost in lacking
            ),
            model=self.name,
            split_hash=state.split_hash,
        )

    def clone(self) -> LinearFactors:
        """Return a copy with the same settings that has learnt nothing."""
        return LinearFactors(n_factors=self.n_factors, ridge=self.ridge)


def _sum_loadings(
    loadings: NDArray[np.float64], genes: tuple[str, ...], names: Sequence[PerturbationName]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Sum the loadings of each name's genes; the second array is True where all of them were measured."""
    position = {gene: i for i, gene in enumerate(genes)}
    rows = [np.array([position[g] for g in name.genes if g in position], dtype=np.int64) for name in names]
    complete = np.array([len(r) == len(name.genes) for r, name in zip(rows, names, strict=True)], dtype=bool)
    return sum_rows(loadings, rows), complete
