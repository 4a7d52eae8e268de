"""`EffectModel`: from gene embeddings to the effect of perturbing a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perturbridge._checks import one_of
from perturbridge.errors import FitError
from perturbridge.values import GeneEmbedding, as_names

from ._estimator import require_rows, unfitted
from ._explain import explain
from ._fitting import fit
from ._genepert import GenePert
from ._leakage import leakage_of, sister_suffix
from ._settings import Settings
from ._store import read_model, write_model
from ._summary import summary_of
from ._training_sources import TrainingResponses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from perturbridge.values import Effects, PerturbationName, Prediction

    from ._explain import Explanation
    from ._fitted import Fitted
    from ._training_sources import SourceMaker

__all__ = ["EffectModel"]


class EffectModel:
    """Δ̂(P) = Σ_{a ∈ P} (b + g(a)) + interaction,  g ~ Σ_s share_s · kernel_s of the embeddings: kernel ridge with exact leave-one-out.

    Each embedding is centred on the training genes, scaled to unit length and turned into a linear or RBF kernel with mean diagonal 1; a
    gene without a vector has kernel 0 with every other, which is the mean effect. α has the smallest exact (weighted) leave-one-out error
    over the training rows. A source has the smoothest kernel that no rougher one betters by more than a standard error, and further
    sources join one by one, best first, with the share of smallest error where that is lower by more than half a standard error. Rows of
    one gene (two names of one vector, or what `groups` says) are left out together. The intercept b is not penalized, so the strongest
    penalty (α = ∞ is always tried) leaves the weighted mean effect. Finally the deviation from the mean is shrunk by how surely left-out
    rows agree with it, to nothing where the agreement is one that the best of many kernels reaches by chance; principal directions of Δ
    get factors of their own only where left-out rows surely prefer it.

    Rows weigh 1 / (τ² + σ²) where `effects` knows the sampling variance σ² of its rows, else equally.

    Combinations are additive in genes, kernel and intercept alike, so a pair is not shrunk towards a single. With combinations among the
    training rows every gene has, besides its embedding part, an effect of its own with a share chosen by leave-one-out; so a gene seen in
    one row informs every other row with that gene; and symmetric interaction kernels between combinations join where left-out
    combinations agree that they help. Without, a combination is the sum of measured single effects where there are any and predicted
    ones where there are none. A single perturbation is always predicted, never looked up, training row or not.

    The targeted gene itself, where it was measured, is hidden from all this and has a model of one number (its expression times ρ).

    Parameters
    ----------
    sources
        One embedding or several; also `TrainingResponses`, computed inside each fit.
    kernel
        `"linear"`, `"rbf"`, or `"auto"` to choose between them.
    alphas
        Penalties to try, positive, in units of the mean eigenvalue of the kernel (1: as much signal as noise); default: 57 from 1e-4 to 1e3.
    bandwidths
        RBF scales ℓ² to try, positive multiples of the median squared distance between genes; default: 1/4 to 4.
    rank
        Predict so many principal components of Δ and the mean beyond them; default: all of Δ.
    modality
        `"crispri"` (ρ ≤ 1), `"crispra"` (ρ ≥ 1), `"ko"` or `"auto"` (any ρ).
    groups
        Gene ▸ label; rows whose genes have the same labels are left out together (guides named apart, paralogues).
    without
        Parts to leave out, to see what they contribute: `"direction_shrinkage"`, `"groups"`, `"interactions"`, `"own_effects"`,
        `"row_weights"`, `"shrinkage"`, `"source_weights"` (all sources the same share), `"target_gene"`.
    name
        Short name for tables; ` (L2)` is added where a source was computed from another screen.
    seed
        Draws the sample on which kernels are chosen beyond 1,000 rows or 256 measured genes, and the 3,000 genes that span the kernel beyond
        that many; nothing else is random.

    Raises
    ------
    FitError
        If there is no source, two share a name, or a penalty or bandwidth is not positive.
    DataError
        If `kernel`, `modality` or a part is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from perturbridge.values import EmbeddingCard, Effects, GeneEmbedding
    >>> names, vectors = tuple("ABCDEFGH"), np.random.default_rng(0).normal(size=(8, 2))
    >>> source = GeneEmbedding(vectors=vectors, genes=names, rows=np.arange(8), card=EmbeddingCard(name="toy"))
    >>> effects = Effects.from_delta(vectors[:6] @ [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]], perturbations=names[:6])
    >>> model = EffectModel(source).fit(effects)
    >>> model.predict(["G", "A+G", "unheard-of"]).status
    ('predicted', 'predicted', 'no_embedding')
    """

    def __init__(  # noqa: PLR0913 one keyword for each setting, as estimators have them
        self,
        sources: GeneEmbedding | SourceMaker | Sequence[GeneEmbedding | SourceMaker],
        *,
        kernel: str = "auto",
        alphas: Sequence[float] | None = None,
        bandwidths: Sequence[float] | None = None,
        rank: int | None = None,
        modality: str = "auto",
        groups: Mapping[str, str] | None = None,
        without: Iterable[str] = (),
        name: str = "perturbridge",
        seed: int = 0,
    ) -> None:
        self._params: dict[str, Any] = {
            "sources": sources,
            "kernel": kernel,
            "alphas": alphas,
            "bandwidths": bandwidths,
            "rank": rank,
            "modality": modality,
            "groups": groups,
            "without": without,
            "seed": seed,
        }
        self._name = name
        self._settings = Settings.of(**{key: value for key, value in self._params.items() if key != "sources"})
        self._given = tuple(sources) if isinstance(sources, list | tuple) else (sources,)
        names = [source.name for source in self._given]
        if not names or len(set(names)) != len(names):
            problem = f"An effect model needs embeddings with different names, got {names}."
            raise FitError(problem, cure="Pass at least one embedding, each under its own name.")
        self._fitted: Fitted | None = None

    @property
    def sources(self) -> tuple[GeneEmbedding, ...]:
        """Embeddings that were given, without those that are computed in each fit."""
        return tuple(source for source in self._given if isinstance(source, GeneEmbedding))

    @property
    def name(self) -> str:
        """Short name for tables."""
        return self._name + sister_suffix(self.sources)

    @property
    def report_(self) -> dict[str, Any]:
        """What the fit chose and how well it does on left-out rows, in plain JSON types.

        `alpha` (None: mean only), `loo_r2` (share of the mean's left-out squared error that is gone, 1 is best), `shrink` (1: not at
        all), `shrink_by_direction`, `is_mean_only`, `n_perturbations`, `n_combinations`, `n_left_out_together`, `combinations`,
        `own_effect_share`, `interactions`, `row_weights`, `target_gene`, `intervals`, `n_anchors`, and for each of `sources` its `share`,
        `kernel`, `bandwidth`, coverage, and level and reason of `leakage`.
        """
        return self._state.report

    @property
    def _state(self) -> Fitted:
        if self._fitted is None:
            raise unfitted(self.name)
        return self._fitted

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 there is nothing nested
        """Return the settings as they were given, by name, as scikit-learn's estimators do."""
        return {**self._params, "name": self._name}

    def fit(self, effects: Effects, *, split_hash: str = "") -> EffectModel:
        """Learn from all rows of `effects`.

        Parameters
        ----------
        effects
            Training perturbations, at least 3.
        split_hash
            Of the split they came from; travels with every prediction.

        Raises
        ------
        FitError
            If there are fewer than 3 perturbations, or all of them are left out together.
        EmbeddingError
            If a source has no vector for any of the perturbed genes.
        LeakageError
            If a source was computed from responses in this very screen.
        """
        require_rows(effects, at_least=3, name=self.name)
        sources = [source if isinstance(source, GeneEmbedding) else source.make(effects) for source in self._given]
        leakage = [
            leakage_of(source, effects, split_hash=split_hash)
            if isinstance(given, GeneEmbedding)
            else ("", "computed inside the fit from training rows")
            for source, given in zip(sources, self._given, strict=True)
        ]
        self._fitted = fit(effects, sources, self._settings, split_hash=split_hash)
        for record, (level, reason) in zip(self._fitted.report["sources"], leakage, strict=True):
            record["leakage"] = {"level": level, "reason": reason}
        return self

    def predict(
        self, perturbations: Iterable[str | PerturbationName], *, level: float = 0.9, band: str = "gene"
    ) -> Prediction:
        """Predict Δ, with intervals.

        The intervals are those of left-out rows: half-width for each gene the ⌈(n + 1) · level⌉-th smallest |e| of n left-out rows of the
        same kind, so that a new *measured* perturbation of that kind lies within in a share `level` of cases (Vovk, Gammerman and Shafer
        2005; for leave-one-out residuals Barber et al. 2021). They say how far predictions are off, not which ones are better than
        others: all rows of a kind have the same width.

        Parameters
        ----------
        perturbations
            Canonical texts such as `"KRAS+MYC"`, or names; unique.
        level
            0.5, 0.8, 0.9, 0.95 or 0.99.
        band
            `"gene"`: each gene lies within its bounds with probability `level`. `"profile"`: all genes at once do.

        Returns
        -------
        Prediction
            Rows in the order given; `lower` and `upper` are None where too few rows were left out for this level (9 for 0.9).
            `"no_embedding"`: no vector at all, the row is the mean effect for each of its genes; `"partial_embedding"`: some vector is
            missing, or a combination rests on what was measured of its genes; `"out_of_support"`: a gene is farther from every training
            gene than 99 % of these are from their nearest.

        Raises
        ------
        FitError
            If the model is not fitted or the level was not kept.
        DataError
            If `band` is unknown.
        """
        one_of("band", band, ("gene", "profile"))
        return self._state.predict(as_names(perturbations), model=self.name, level=level, band=band)

    def genetic_interaction(self, combinations: Iterable[str | PerturbationName], *, level: float = 0.9) -> Prediction:
        """Predict Δ_AB − Δ_A − Δ_B, what a combination does beyond the sum of its genes' effects, with intervals.

        Parameters
        ----------
        combinations
            Perturbations of several genes.
        level
            Of the intervals, as in `predict`.

        Raises
        ------
        FitError
            If the model is not fitted, or a perturbation is of a single gene.
        """
        names = as_names(combinations)
        single = [str(name) for name in names if name.is_single]
        if single:
            problem = f"{len(single)} of {len(names)} perturbations are of one gene, the first is {single[0]!r}."
            raise FitError(problem, cure="Ask for combinations, such as 'KRAS+MYC'.")
        return self._state.predict_interaction(names, model=self.name, level=level)

    def explain(self, perturbation: str | PerturbationName, *, top: int = 10) -> Explanation:
        """Say where the prediction of one perturbation comes from.

        Parameters
        ----------
        perturbation
            Canonical text or name.
        top
            So many neighbours, and genes up and down.

        Raises
        ------
        FitError
            If the model is not fitted.
        """
        return explain(self._state, as_names([perturbation])[0], model=self.name, top=top)

    def summary(self) -> str:
        """Say in a dozen lines what the model is made of and how well it does on left-out rows.

        Raises
        ------
        FitError
            If the model is not fitted.
        """
        return summary_of(self.report_, name=self.name)

    def clone(self) -> EffectModel:
        """Return a copy with the same settings that has learnt nothing."""
        return EffectModel(**self.get_params())

    def save(self, folder: str | Path) -> None:
        """Write the fitted model with its embeddings to `model.json` and `model.safetensors` in `folder`, which is made if need be.

        Raises
        ------
        FitError
            If the model is not fitted.
        """
        write_model(folder, self._state, settings=self._settings, name=self._name)

    @classmethod
    def load(cls, folder: str | Path) -> EffectModel:
        """Read a model that `save` wrote; it predicts the same numbers.

        Raises
        ------
        FitError
            If a file is missing, damaged, of a later version, or does not belong to the other.
        """
        fitted, settings, name = read_model(folder)
        kept = [kernel.features.source for kernel in fitted.kernels]
        sources = [TrainingResponses.of_card(source.card) or source for source in kept]
        model = cls(sources, name=name, **settings.as_params())
        model._fitted = fitted
        return model

    @staticmethod
    def genepert(source: GeneEmbedding, *, alpha: float = 1.0) -> GenePert:
        """Return the published GenePert recipe, for comparison."""
        return GenePert(source, alpha=alpha)
