"""`EffectModel`: from gene embeddings to the effect of perturbing a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perturbridge._checks import one_of
from perturbridge.errors import FitError
from perturbridge.values import GeneEmbedding, as_names

from ._estimator import require_rows, unfitted
from ._fitting import fit
from ._genepert import GenePert
from ._settings import Settings
from ._store import read_model, write_model
from ._summary import summary_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from perturbridge.values import Effects, PerturbationName, Prediction

    from ._fitted import Fitted

__all__ = ["EffectModel"]


class EffectModel:
    """Δ̂(P) = Σ_{a ∈ P} (b + g(a)),  g ~ Σ_s share_s · kernel_s of the embeddings: kernel ridge with exact leave-one-out.

    Each embedding is centred on the training genes, scaled to unit length and turned into a linear or RBF kernel with mean diagonal 1; a
    gene without a vector has kernel 0 with every other, which is the mean effect. The kernel of each source, the non-negative shares of
    the sources and α are those with the smallest exact (weighted) leave-one-out error over the training rows. The intercept b is not
    penalized, so the strongest penalty (α = ∞ is always tried) leaves the weighted mean effect. Finally the deviation from the mean is
    shrunk by how surely left-out rows agree with it, to nothing where the agreement is within its standard error.

    Rows weigh 1 / (τ² + σ²) where `effects` knows the sampling variance σ² of its rows, else equally.

    Combinations are additive in genes, kernel and intercept alike, so a pair is not shrunk towards a single. With combinations among the
    training rows every gene has, besides its embedding part, an effect of its own with a share chosen by leave-one-out; so a gene seen in
    one row informs every other row with that gene. Without, a combination is the sum of measured single effects where there are any and
    predicted ones where there are none. A single perturbation is always predicted, never looked up, training row or not.

    Parameters
    ----------
    sources
        One embedding or several.
    kernel
        `"linear"`, `"rbf"`, or `"auto"` to choose between them.
    alphas
        Penalties to try, positive, in units of the mean eigenvalue of the kernel (1: as much signal as noise); default: 57 from 1e-4 to 1e3.
    bandwidths
        RBF scales ℓ² to try, positive multiples of the median squared distance between genes; default: 1/4 to 4.
    name
        Short name for tables.
    seed
        Draws the sample on which kernels are chosen beyond 1,000 rows or 256 measured genes, and the 3,000 genes that span the kernel beyond
        that many; nothing else is random.

    Raises
    ------
    FitError
        If there is no source, two share a name, or a penalty or bandwidth is not positive.
    DataError
        If `kernel` is unknown.

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

    def __init__(
        self,
        sources: GeneEmbedding | Sequence[GeneEmbedding],
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
        self.sources = (sources,) if isinstance(sources, GeneEmbedding) else tuple(sources)
        self._name = name
        self._settings = Settings.of(
            kernel=kernel,
            alphas=alphas,
            bandwidths=bandwidths,
            rank=rank,
            modality=modality,
            groups=groups,
            without=without,
            seed=seed,
        )
        names = [source.name for source in self.sources]
        if not names or len(set(names)) != len(names):
            problem = f"An effect model needs embeddings with different names, got {names}."
            raise FitError(problem, cure="Pass at least one embedding, each under its own name.")
        self._fitted: Fitted | None = None

    @property
    def name(self) -> str:
        """Short name for tables."""
        return self._name

    @property
    def report_(self) -> dict[str, Any]:
        """What the fit chose and how well it does on left-out rows, in plain JSON types.

        `alpha` (None: mean only), `loo_r2` (share of the mean's left-out squared error that is gone, 1 is best), `shrink` (1: not at
        all), `is_mean_only`, `n_perturbations`, `n_combinations`, `combinations`, `own_effect_share`, `row_weights`, `n_anchors`, and for each
        of `sources` its `share`, `kernel`, `bandwidth` and coverage.
        """
        return self._state.report

    @property
    def _state(self) -> Fitted:
        if self._fitted is None:
            raise unfitted(self.name)
        return self._fitted

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
            If there are fewer than 3 perturbations.
        EmbeddingError
            If a source has no vector for any of the perturbed genes.
        """
        require_rows(effects, at_least=3, name=self.name)
        self._fitted = fit(effects, self.sources, self._settings, split_hash=split_hash)
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
        return self._with(self.sources, self._settings, self._name)

    @classmethod
    def _with(cls, sources: Sequence[GeneEmbedding], settings: Settings, name: str) -> EffectModel:
        model = cls(sources, name=name)
        model._settings = settings
        return model

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
        model = cls._with([kernel.features.source for kernel in fitted.kernels], settings, name)
        model._fitted = fitted
        return model

    @staticmethod
    def genepert(source: GeneEmbedding, *, alpha: float = 1.0) -> GenePert:
        """Return the published GenePert recipe, for comparison."""
        return GenePert(source, alpha=alpha)
