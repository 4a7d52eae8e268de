"""`LatentModel`: a conditional VAE of the counts of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perturbridge._checks import one_of
from perturbridge.errors import FitError
from perturbridge.injection import injection_of

from ._architecture import Architecture
from ._bound import elbo
from ._decode import decode, label_shares, normalized
from ._diagnose import Diagnosis, diagnose
from ._encode import encode, open_cells
from ._fitting import fit
from ._preparation import Request
from ._surgery import surgery
from ._training import Training
from .penalties._table import penalty_of
from .saving._store import read_model, write_model
from .training._device import resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from perturbridge.injection import InjectionSpec
    from perturbridge.values import GeneEmbedding, Latent, PerturbationName, Screen, Split

    from ._encode import Cells
    from ._fitted import Fitted
    from .penalties._interface import PenaltySpec

__all__ = ["LatentModel"]

UNSEEN = ("raise", "encode")


class LatentModel:
    """ELBO = E_q(z|x) ln p(x | z, l, b) − β · KL(q(z | x) ‖ N(0, I)), made large; z is what the cells have in common beyond context b.

    The decoder is told the context of a cell, so that z need not hold it; whether it does all the same is for an audit to say.

    Parameters
    ----------
    context
        Grouping the decoder is told, by role (`"context"`, `"sample"`) or column; None or `"none"`: nothing.
    architecture
        What the model is made of; the defaults are scVI's, with a negative binomial.
    training
        How it is trained.
    penalties
        Further terms of the loss that take the context out of z, as records or by name (`"mmd"`, `"mmd=20"`); none by default.
    injection
        How the embedding of a perturbation enters the decoder, as a record or by name; None: it does not.
    labels
        Grouping known for some cells, such as `"state"`: z then has a prior for each label and a classifier (scANVI); None: neither.
    name
        Short name for tables.

    Examples
    --------
    >>> import perturbridge as pb
    >>> from perturbridge.latent import Architecture, LatentModel, Training
    >>> screen = pb.simulate.screen(n_perturbations=4, n_genes=50, seed=1).screen
    >>> model = LatentModel(architecture=Architecture(n_latent=3, n_hidden=16), training=Training(epochs=2))
    >>> model.fit(screen).encode(screen).n_dims
    3
    """

    def __init__(
        self,
        context: str | None = "context",
        *,
        architecture: Architecture | None = None,
        training: Training | None = None,
        penalties: Sequence[PenaltySpec | str] = (),
        injection: InjectionSpec | str | None = None,
        labels: str | None = None,
        name: str = "latent",
    ) -> None:
        self.context = context
        self.architecture = architecture or Architecture()
        self.training = training or Training()
        self.penalties = tuple(penalty_of(asked) for asked in penalties)
        self.injection = injection_of(injection)
        self.labels = labels
        self.name = name
        self._fitted: Fitted | None = None

    @property
    def history_(self) -> tuple[dict[str, Any], ...]:
        """One record per epoch: loss and its parts, held-out bound (nats per cell, higher is better), seconds."""
        return self.fitted_.history

    @property
    def fitted_(self) -> Fitted:
        """What the fit left behind: networks, genes, contexts, history."""
        if self._fitted is None:
            problem = f"Latent model {self.name!r} is not fitted."
            raise FitError(problem, cure="Call fit(screen) first, or load a saved model.")
        return self._fitted

    def fit(
        self,
        screen: Screen,
        *,
        split: Split | None = None,
        fold: str | None = None,
        rows: ArrayLike | None = None,
        embedding: GeneEmbedding | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> LatentModel:
        """Learn from controls and training perturbations.

        Parameters
        ----------
        screen
            Cells.
        split, fold
            A split and one of its folds; cells of its test perturbations are never read. Without one all assigned cells are used.
        rows
            Use these cells alone, as a mask or row numbers, such as all samples but one.
        embedding
            Vectors of the perturbed genes, with an injection.
        progress
            Called with steps done and steps in all.

        Raises
        ------
        FitError
            If the values do not fit the likelihood, cells lack a context, too few are left, or training fails.
        """
        request = Request(
            context=self.context,
            architecture=self.architecture,
            training=self.training,
            penalties=self.penalties,
            injection=self.injection,
            labels=self.labels,
            split=split,
            fold=fold,
            rows=rows,
            embedding=embedding,
        )
        self._fitted = fit(screen, request, progress=progress)
        return self

    def encode(
        self,
        screen: Screen,
        *,
        refine: int = 0,
        unseen: Literal["raise", "encode"] = "raise",
        client: object = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Latent:
        """Posterior mean of z (its biology columns) for every cell, in constant memory; genes are matched by name.

        Parameters
        ----------
        screen
            Cells, of this or another screen.
        refine, unseen
            Steps on each cell's own posterior from where the encoder puts it; whether contexts that were not seen in training are refused,
            or encoded all the same where nothing has to be told.
        client
            Dask client or `concurrent.futures.Executor` whose workers encode ranges of cells, on CPUs; None: this process.
        progress
            Called with cells done and cells in all.

        Returns
        -------
        Latent
            `(n_cells, n_latent)`, with split hash, labels and the mask of cells the fit saw; from 64 MiB on in a temporary file.

        Raises
        ------
        FitError
            If over 10 % of the genes are missing, or a context is new.
        """
        told = self.fitted_.architecture.encode_context or refine > 0
        return encode(
            self.fitted_,
            screen,
            name=self.name,
            needs_context=told or one_of("unseen", unseen, UNSEEN) == "raise",
            refine=refine,
            client=client,
            progress=progress,
        )

    def decode(
        self,
        z: ArrayLike,
        *,
        context: str | None = None,
        perturbation: str | PerturbationName | None = None,
        library_size: float | ArrayLike = 1e4,
    ) -> NDArray[np.float32]:
        """Expected expression at z, l · softmax-rate for counts, log1p for the Gaussian.

        Parameters
        ----------
        z
            `(n_cells, n_latent)` or, with the context columns, `(n_cells, n_dims)`.
        context
            Context to decode in; needed where the model knows several.
        perturbation
            Condition to inject; default: the control.
        library_size
            Counts per cell, one for all or `(n_cells,)`.

        Returns
        -------
        ndarray
            `(n_cells, n_genes)`.

        Raises
        ------
        FitError
            If the context or the perturbation is unknown.
        """
        return decode(self.fitted_, z, context=context, perturbation=perturbation, library_size=library_size)

    def normalized(
        self,
        screen: Screen,
        *,
        context: str | None = None,
        perturbation: str | PerturbationName | None = None,
        library_size: float | None = 1e4,
        scale: Literal["counts", "log1p"] = "counts",
    ) -> NDArray[np.float32]:
        """Denoised expression of every cell; in another context or under another perturbation it is a counterfactual.

        Parameters
        ----------
        screen
            Cells.
        context, perturbation
            Decode in this one; default: each cell's own.
        library_size
            Counts per cell; None: each cell's own.
        scale
            Counts, or log1p of them.

        Returns
        -------
        ndarray
            `(n_cells, n_genes)`.

        Raises
        ------
        FitError
            If a context, a perturbation or genes are unknown.
        """
        return normalized(
            self.open(screen),
            context=context,
            perturbation=perturbation,
            library_size=library_size,
            scale=scale,
        )

    def elbo(self, screen: Screen, *, n_samples: int = 1, seed: int = 0) -> NDArray[np.float64]:
        """E_q ln p(x | z) − KL of each cell, nats `(n_cells,)`; higher is better.

        Parameters
        ----------
        screen
            Cells.
        n_samples, seed
            Draws of q, and what draws them.
        """
        return elbo(self.open(screen), n_samples=n_samples, seed=seed)

    def predict_labels(self, screen: Screen) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Return the labels and q(y | z) of each cell at its posterior mean `(n_cells, n_labels)`, rows summing to 1.

        Parameters
        ----------
        screen
            Cells.

        Raises
        ------
        FitError
            If the model was fitted without labels.
        """
        return self.fitted_.labels, label_shares(self.open(screen))

    def surgery(
        self,
        screen: Screen,
        *,
        training: Training | None = None,
        split: Split | None = None,
        fold: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> LatentModel:
        """Return a model that also knows the contexts of a screen: known weights stay, those of the new contexts are learned.

        Parameters
        ----------
        screen
            Cells of new contexts; genes are matched by name.
        training
            How; default: as the model was trained.
        split, fold
            Which of its cells may be seen.
        progress
            Called with steps done and steps in all.

        Raises
        ------
        FitError
            If there is no new context.
        """
        grown = LatentModel(
            self.context,
            architecture=self.architecture,
            training=training or self.training,
            penalties=self.penalties,
            injection=self.injection,
            labels=self.labels,
            name=self.name,
        )
        grown._fitted = surgery(
            self.fitted_, screen, training=grown.training, split=split, fold=fold, progress=progress
        )
        return grown

    def diagnose(self, screen: Screen, *, n_cells: int = 2000, seed: int = 0) -> Diagnosis:
        """Active dimensions, KL, mutual information, posterior predictive checks and amortization gap on a sample of cells.

        Parameters
        ----------
        screen
            Cells.
        n_cells, seed
            Sample size, and what draws the sample and the noise.

        Returns
        -------
        Diagnosis
            Figures, and warnings with cures.
        """
        rng = np.random.default_rng((13, seed))
        rows = np.sort(rng.permutation(screen.n_cells)[:n_cells])
        return diagnose(self.open(screen, rows), seed=seed)

    def save(self, folder: str | Path) -> None:
        """Write `model.json` and `model.safetensors`, which hold no code and load on any device.

        Parameters
        ----------
        folder
            Made if it is not there.
        """
        write_model(folder, self.fitted_, name=self.name)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> LatentModel:
        """Read a saved model, of this version or an older one; penalties that are not of this package stay names in `fitted_`.

        Parameters
        ----------
        folder
            What `save` wrote.
        device
            Where it is to compute.

        Raises
        ------
        FitError
            If a file is missing, damaged or of a later version.
        """
        fitted, name = read_model(folder, device=resolve_device(device))
        model = cls(
            fitted.context_column or None,
            architecture=fitted.architecture,
            penalties=[penalty_of(about) for about in fitted.penalties if about.get("name") == "separation"],
            injection=fitted.injection,
            labels=fitted.label_column or None,
            name=name,
        )
        model._fitted = fitted
        return model

    def open(self, screen: Screen, rows: NDArray[np.int64] | None = None) -> Cells:
        """Match cells of a screen with the model, all of them or some rows; contexts have to be known."""
        return open_cells(self.fitted_, screen, rows=rows, needs_context=True)
