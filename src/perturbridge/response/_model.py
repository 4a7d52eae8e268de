"""`ResponseModel`: from gene embeddings to the displacement of every control cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.errors import FitError, LeakageError
from perturbridge.injection import INJECTIONS, injection_from_json
from perturbridge.values import GeneEmbedding, as_names

from ._fitting import fit
from ._predict import Request, held_out_profiles, measure_bands, predict
from ._settings import ResponseSettings
from ._store import read_model, write_model
from ._synergy import synergy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import (
        Alignment,
        Decoder,
        Effects,
        Latent,
        PerturbationName,
        PredictedCells,
        Prediction,
    )

    from ._fitted import Fitted
    from ._ladder import Ladder
    from ._synergy import Synergy

__all__ = ["ResponseModel"]


class ResponseModel:
    """Δẑ(z) = B(z, e) + ρ R(z, B, e): where an unseen perturbation with embedding e moves a control cell at z.

    The base B is a closed-form ridge from embeddings (each centred, L2-normalized unless lengths lower the left-out error; weights of several by left-out error) to the
    displacements of an alignment at prototypes of the controls. It has a penalty for each of three orthogonal parts, chosen by exact leave-one-out:
    the mean displacement, what strata differ by, and what cells of a stratum differ by; where an embedding does not help, a part is the mean over
    training perturbations. A combination is the sum of its genes, each as it was measured alone or else predicted.

    The residual R is a small network that starts at 0, learns from bases that never saw the perturbation itself, and is kept only if it beats them
    on held-out perturbations by more than the standard error; otherwise ρ is exactly 0 and `report_` says so.

    Parameters
    ----------
    embeddings
        One or several, under different names.
    injection
        How the embedding enters the residual: `"film"`, `"concat"`, `"layer_norm"`, `"additive"`, or one with settings of its own; None:
        no residual.
    n_prototypes
        Points of the control population at which displacements are learnt; None: as `settings` say.
    settings
        Everything else.
    name
        Short name for tables.

    Raises
    ------
    FitError
        If there is no embedding, two share a name, or the injection is unknown.
    """

    def __init__(
        self,
        embeddings: GeneEmbedding | Sequence[GeneEmbedding],
        *,
        injection: str | InjectionSpec | None = "film",
        n_prototypes: int | None = None,
        settings: ResponseSettings | None = None,
        name: str = "response",
    ) -> None:
        given = (embeddings,) if isinstance(embeddings, GeneEmbedding) else tuple(embeddings)
        names = [source.name for source in given]
        if not names or len(set(names)) != len(names):
            problem = f"A response model needs embeddings with different names, got {names}."
            raise FitError(problem, cure="Pass at least one embedding, each under its own name.")
        if isinstance(injection, str) and injection not in INJECTIONS:
            problem = f"There is no injection called {injection!r}."
            raise FitError(problem, cure=f"Known: {', '.join(sorted(INJECTIONS))}; None for no residual.")
        settings = settings or ResponseSettings()
        self.embeddings = given
        self.injection = injection_from_json({"name": injection}) if isinstance(injection, str) else injection
        self.settings = settings if n_prototypes is None else replace(settings, n_prototypes=int(n_prototypes))
        self.name = name
        self._fitted: Fitted | None = None

    @property
    def fitted_(self) -> Fitted:
        """What the fit left behind."""
        if self._fitted is None:
            problem = f"Response model {self.name!r} is asked before it has learnt anything."
            raise FitError(problem, cure="Call fit first, or load a saved model.")
        return self._fitted

    @property
    def ladder_(self) -> Ladder:
        """What every step gains on held-out perturbations; `print` it."""
        return self.fitted_.ladder

    @property
    def report_(self) -> dict[str, Any]:
        """What the fit chose and how well it does on held-out perturbations, in plain JSON types.

        `parts` (for `mean`, `stratum` and `cell`: `alpha`, `certainty`, `loo_r2`), `sources`, `interpolation` (`lost`: share of the squared
        displacement that prototypes do not carry), `residual` (`gate`, `kept`, `gain`, `gain_se` …), `ladder`, counts of what was used
        and left out.
        """
        return self.fitted_.report

    @property
    def perturbations_(self) -> tuple[PerturbationName, ...]:
        """Perturbations it was fitted on."""
        return self.fitted_.names

    def fit(
        self,
        alignment: Alignment,
        controls: Latent,
        *,
        cells: Latent | None = None,
        split_hash: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ResponseModel:
        """Learn from the displacements of training perturbations.

        Parameters
        ----------
        alignment
            Of training perturbations, at least 6.
        controls
            Latent with the training controls; where it carries conditions, other cells are not looked at.
        cells
            Latent with the cells of the training perturbations, labelled by condition, for energy distances; may be the same one, since
            only perturbations of the alignment are looked at.
        split_hash
            Of the split all must belong to; None: that of the alignment.
        progress
            Called with folds of the residual done and folds in all.

        Raises
        ------
        FitError
            If there are too few perturbations or controls.
        EmbeddingError
            If an embedding has no vector for any perturbed gene.
        LeakageError
            If latent and alignment belong to different splits.
        DataError
            If the latent has another number of dimensions or lacks labels.
        """
        if split_hash is not None:
            alignment.require_split(split_hash)
        self._fitted = fit(
            alignment,
            controls,
            self.embeddings,
            cells=cells,
            injection=self.injection,
            settings=self.settings,
            progress=progress,
        )
        return self

    def displacement(
        self,
        perturbation: str | PerturbationName,
        z: NDArray[np.floating],
        *,
        context: Sequence[str] | str | None = None,
        state: Sequence[str] | str | None = None,
    ) -> NDArray[np.float32]:
        """Δẑ of control cells at z.

        Parameters
        ----------
        perturbation
            Seen in training or not; predicted from its embedding either way.
        z
            `(n_cells, n_dims)`.
        context, state
            Of each cell, or one for all, as the alignment asks for them.

        Returns
        -------
        NDArray
            `(n_cells, n_dims)`, perturbed minus control, units of the latent.

        Raises
        ------
        DataError
            If a context or state is unknown.
        """
        frame = self.fitted_.frame
        x = frame.centred(z, context)
        strata = frame.strata_of(x, context=context, state=state)
        return np.asarray(self.fitted_.displacement(as_names([perturbation]), x, strata)[0])

    def predict(
        self,
        perturbations: Iterable[str | PerturbationName],
        *,
        controls: Latent,
        decoder: Decoder | None = None,
        n_cells: int | None = None,
        expression: str = "counts",
        library_size: ArrayLike = 1e4,
        level: float = 0.9,
        seed: int = 0,
    ) -> PredictedCells:
        """Move control cells, decode them at their own context and library size, and compare them with themselves.

        The profile is Δ_g = mean over the cells of log1p(decoded(z + Δẑ)) − log1p(decoded(z)), expected counts per 10,000 of the same
        cells in the same contexts: what the decoder gets wrong about a cell, moved or not, cancels. It is not attenuated by drop-out as
        the mean of log1p of measured counts is.

        Parameters
        ----------
        perturbations
            Canonical texts such as `"KRAS+MYC"`, or names; unique.
        controls
            Latent with control cells.
        decoder
            What turns z into counts; None: no expression and no profile.
        n_cells
            Controls to draw, the same for every perturbation; None: all.
        expression
            `"counts"`: drawn. `"means"`: expected counts. `"none"`: profiles alone.
        library_size
            Counts per cell, one for all or one per cell of the latent.
        level
            Of the intervals of profiles (after `calibrate`) and of the radius.
        seed
            Draws controls and counts.

        Returns
        -------
        PredictedCells
            `n_cells` for each perturbation, in the order given.

        Raises
        ------
        FitError
            If the model is not fitted or the level was not kept.
        LeakageError
            If the latent belongs to another split.
        DataError
            If no control can be moved, or a setting is unknown.
        """
        request = Request(
            controls=controls,
            decoder=decoder,
            n_cells=n_cells,
            expression=expression,
            library_size=np.asarray(library_size, dtype=np.float64),
            level=level,
            seed=seed,
        )
        return predict(self.fitted_, as_names(perturbations), request, model=self.name)

    def held_out_profiles(
        self, *, controls: Latent, decoder: Decoder, n_cells: int | None = 256, seed: int = 0
    ) -> Prediction:
        """Profile of every training perturbation as if its fold had never been seen, to compare or to stack with other models.

        Parameters
        ----------
        controls, decoder, n_cells, seed
            As in `predict`.
        """
        request = Request(controls=controls, decoder=decoder, n_cells=n_cells, seed=seed)
        return held_out_profiles(self.fitted_, request, model=self.name)

    def calibrate(
        self, effects: Effects, *, controls: Latent, decoder: Decoder, n_cells: int | None = 256, seed: int = 0
    ) -> Prediction:
        """Give profiles intervals: those of held-out training perturbations around what was measured of them.

        Half-width for each gene is the ⌈(n + 1) · level⌉-th smallest |measured − held out| of n training perturbations, so that a new
        measured perturbation of that kind lies within in a share `level` of cases.

        Parameters
        ----------
        effects
            Measured Δ of training perturbations; others are not looked at.
        controls, decoder, n_cells, seed
            As in `predict`.

        Returns
        -------
        Prediction
            The held-out profiles.

        Raises
        ------
        DataError
            If a gene of the decoder or a training perturbation was not measured.
        """
        held = self.held_out_profiles(controls=controls, decoder=decoder, n_cells=n_cells, seed=seed)
        self._fitted = replace(self.fitted_, bands=measure_bands(held, effects))
        return held

    def synergy(
        self,
        combination: str | PerturbationName,
        *,
        controls: Latent,
        alignment: Alignment | None = None,
        n_cells: int | None = None,
        seed: int = 0,
    ) -> Synergy:
        """Δz_AB − Δz_A − Δz_B on the same control cells.

        Parameters
        ----------
        combination
            Of two genes or more.
        controls
            Latent with control cells.
        alignment
            Where the combination or its genes were measured: those displacements are used, with their noise; None: predictions alone.
        n_cells, seed
            As in `predict`.

        Raises
        ------
        FitError
            If the perturbation is of a single gene.
        """
        name = as_names([combination])[0]
        request = Request(controls=controls, n_cells=n_cells, seed=seed)
        return synergy(self.fitted_, name, request, alignment=alignment)

    def require_split(self, split_hash: str) -> None:
        """Check that the model was fitted under this split.

        Raises
        ------
        LeakageError
            If it was fitted under another.
        """
        own = self.fitted_.frame.split_hash
        if own != split_hash:
            problem = f"Response model {self.name!r} was fitted under split {own[:12] or 'none'}, this is split {split_hash[:12] or 'none'}."
            raise LeakageError(problem, cure="Fit it under the split that is scored.")

    def save(self, folder: str | Path) -> None:
        """Write `model.json` and `model.safetensors`, which hold no code, with the embeddings, into `folder`, made if need be.

        Raises
        ------
        FitError
            If the model is not fitted.
        """
        write_model(folder, self.fitted_, injection=self.injection, settings=self.settings, name=self.name)

    @classmethod
    def load(cls, folder: str | Path) -> ResponseModel:
        """Read a model that `save` wrote; it predicts the same numbers.

        Raises
        ------
        FitError
            If a file is missing, damaged, of a later version, or does not belong to the other.
        """
        fitted, injection, settings, name = read_model(folder)
        model = cls(fitted.ridge.space.sources, injection=injection, settings=settings, name=name)
        model._fitted = fitted
        return model
