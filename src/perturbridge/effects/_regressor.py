"""Any regressor of scikit-learn's form in place of the ridge, on the same features, under the same protocol."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from perturbridge.errors import FitError
from perturbridge.values import GeneEmbedding, Prediction, as_names

from ._design import Design
from ._estimator import require_rows, unfitted
from ._intervals import Radii
from ._shrinkage import leading_directions
from ._source_kernel import GeneFeatures, require_overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName

__all__ = ["Regressor", "RegressorModel"]

_FOLDS = 5


class Regressor(Protocol):
    """What is asked of a regressor: that of scikit-learn, of a boosting library, TabPFN wrapped for several outputs."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.float64]) -> Any:  # noqa: ANN401
        """Learn from features `(n_rows, n_features)` and targets `(n_rows, n_targets)`."""

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict targets."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fitted:
    effects: Effects
    features: tuple[GeneFeatures, ...]
    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    regressor: Regressor
    factor: float
    radii: Radii
    split_hash: str


class RegressorModel:
    """Δ̂(g) = mean + s · V r(x(g)): a regressor r from embeddings to principal components V of Δ, shrunk by what held-out rows say.

    x(g) are the unit vectors of all sources side by side, centred on the training genes, 0 where a gene has none: what the kernels of
    `EffectModel` are made of. Five folds of training rows give held-out predictions; s = min(1, a / b) · max(0, 1 − SE² / a²) as in
    `EffectModel`, and the intervals are conformal quantiles of their residuals. Only single-gene rows are learnt from; a combination is
    the sum over its genes of what was measured, or predicted where nothing was.

    Parameters
    ----------
    sources
        One embedding or several.
    regressor
        Has `fit(X, y)` and `predict(X)` for several outputs; it is copied, never changed. It is not saved: that would take a pickle.
    n_components
        Of Δ, fewer where there are fewer than four rows for each.
    name
        Short name for tables.

    Raises
    ------
    FitError
        If there is no source or the regressor lacks `fit` or `predict`.
    """

    def __init__(
        self,
        sources: GeneEmbedding | Sequence[GeneEmbedding],
        *,
        regressor: Regressor,
        n_components: int = 64,
        name: str = "regressor",
    ) -> None:
        self.sources = (sources,) if isinstance(sources, GeneEmbedding) else tuple(sources)
        self.regressor, self.n_components, self._name = regressor, int(n_components), name
        if not self.sources or n_components < 1:
            problem = f"A regressor model got {len(self.sources)} sources and {n_components} components."
            raise FitError(problem, cure="Pass at least one of each.")
        lacking = [method for method in ("fit", "predict") if not callable(getattr(regressor, method, None))]
        if lacking:
            problem = f"{type(regressor).__name__} has no method {lacking[0]!r}."
            raise FitError(problem, cure="Pass a regressor with fit(X, y) and predict(X), not its class.")
        self._fitted: _Fitted | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return self._name

    def fit(self, effects: Effects, *, split_hash: str = "") -> RegressorModel:
        """Learn from the single-gene rows.

        Raises
        ------
        FitError
            If fewer than five rows are of a single gene, or the regressor returns another shape than it was given.
        EmbeddingError
            If a source has no vector for any perturbed gene.
        """
        singles = effects.take([name for name in effects.perturbations if name.is_single])
        require_rows(singles, at_least=_FOLDS, name=self.name)
        genes = [name.genes[0] for name in singles.perturbations]
        for source in self.sources:
            require_overlap(source, genes)
        features = tuple(GeneFeatures.of(source, genes, np.ones(len(genes))) for source in self.sources)
        mean = singles.delta.mean(axis=0)
        directions = leading_directions(singles.delta - mean, max(1, min(self.n_components, len(genes) // 4)))
        x, y = _stack(features, genes), (singles.delta - mean) @ directions.T
        held_out, folds = np.zeros_like(y), range(_FOLDS if len(directions) else 0)
        # Names decide the folds, so that the order of rows does not.
        fold = np.argsort(np.argsort(genes)) % _FOLDS
        for k in folds:
            here = fold == k
            held_out[here] = _predict(deepcopy(self.regressor), x[~here], y[~here], new=x[here])
        factor = _slope(y, held_out)
        residuals = singles.delta - mean - factor * held_out @ directions
        regressor = deepcopy(self.regressor)
        if factor > 0:
            regressor.fit(x, y)
        self._fitted = _Fitted(
            effects=singles,
            features=features,
            mean=mean,
            directions=directions,
            regressor=regressor,
            factor=factor,
            radii=Radii.of(residuals),
            split_hash=split_hash,
        )
        return self

    def predict(self, perturbations: Iterable[str | PerturbationName], *, level: float = 0.9) -> Prediction:
        """Predict Δ; FitError if not fitted or the level was not kept."""
        if self._fitted is None:
            raise unfitted(self.name)
        state, names = self._fitted, as_names(perturbations)
        design = Design.of(names)
        x = _stack(state.features, design.genes)
        parts = np.tile(state.mean, (len(design.genes), 1))
        if len(design.genes) and state.factor > 0:
            parts += (
                state.factor * _checked(state.regressor.predict(x), (len(x), len(state.directions))) @ state.directions
            )
        found = np.array([f.source.locate(design.genes).found for f in state.features]).reshape(len(state.features), -1)
        parts[~found.any(axis=0)] = state.mean
        delta = design.rows_of(parts)
        measured = {name.genes[0]: i for i, name in enumerate(state.effects.perturbations)}
        position = {gene: j for j, gene in enumerate(design.genes)}
        for i, name in enumerate(names):
            known = [] if name.is_single else [gene for gene in name.genes if gene in measured]
            for gene in known:
                delta[i] += state.effects.delta[measured[gene]] - parts[position[gene]]
        status, detail = _status(names, position, found, sources=self.sources, measured=measured)
        radius = state.radii.at(level, whole_profile=False)
        wide = None if radius is None else np.sqrt(design.n_genes_each)[:, None] * radius
        return Prediction(
            perturbations=names,
            genes=state.effects.genes,
            delta=delta,
            status=status,
            detail=detail,
            model=self.name,
            lower=None if wide is None else delta - wide,
            upper=None if wide is None else delta + wide,
            in_training=tuple(name in set(state.effects.perturbations) for name in names),
            split_hash=state.split_hash,
        )

    def clone(self) -> RegressorModel:
        """Return a copy with the same settings that has learnt nothing."""
        return RegressorModel(self.sources, regressor=self.regressor, n_components=self.n_components, name=self._name)


def _stack(features: Sequence[GeneFeatures], genes: Sequence[str]) -> NDArray[np.float64]:
    """Unit vectors of all sources side by side, 0 where there is none `(n_genes, n_features)`."""
    blocks = []
    for source in features:
        rows = source.source.locate(genes).rows
        block = np.zeros((len(rows), source.source.n_dims))
        block[rows >= 0] = source.unit(rows[rows >= 0])
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def _predict(
    regressor: Regressor, x: NDArray[np.float64], y: NDArray[np.float64], *, new: NDArray[np.float64]
) -> NDArray[np.float64]:
    regressor.fit(x, y)
    return _checked(regressor.predict(new), (len(new), y.shape[1]))


def _checked(predicted: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return predictions of the shape that was asked for; a single output may come without its axis."""
    out = np.asarray(predicted, dtype=np.float64)
    if out.size == shape[0] * shape[1] and out.ndim == 1 and 1 in shape:
        out = out.reshape(shape)
    if out.shape != shape or not np.isfinite(out).all():
        problem = f"The regressor predicted shape {out.shape} for {shape}, finite: {bool(np.isfinite(out).all())}."
        raise FitError(problem, cure="Wrap it for several outputs (sklearn.multioutput.MultiOutputRegressor).")
    return out


def _slope(y: NDArray[np.float64], held_out: NDArray[np.float64]) -> float:
    """min(1, a / b) · max(0, 1 − SE(a)² / a²) with a = Σ y·ŷ and b = Σ ‖ŷ‖² over held-out rows, SE as in `shrink_to_mean`."""
    agreement, size = np.einsum("ij,ij->i", y, held_out), float((held_out**2).sum())
    total = float(agreement.sum())
    if total <= 0 or size <= 0:
        return 0.0
    return min(1.0, total / size) * max(0.0, 1.0 - 2.0 * len(y) * float(agreement.var(ddof=1)) / total**2)


def _status(
    names: Sequence[PerturbationName],
    position: dict[str, int],
    found: NDArray[np.bool_],
    *,
    sources: Sequence[GeneEmbedding],
    measured: dict[str, int],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    status, detail = [], []
    for name in names:
        lacking = [
            f"{gene} has no vector in {source.name}"
            for gene in name.genes
            for s, source in enumerate(sources)
            if not found[s, position[gene]]
        ]
        informed = any(found[:, position[g]].any() or (g in measured and not name.is_single) for g in name.genes)
        status.append("predicted" if not lacking else "partial_embedding" if informed else "no_embedding")
        detail.append("; ".join(lacking))
    return tuple(status), tuple(detail)
