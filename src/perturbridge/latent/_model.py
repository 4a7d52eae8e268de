"""`LatentModel`: a conditional VAE of the counts of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perturbridge.errors import FitError

from ._architecture import Architecture
from ._encode import encode, open_cells
from ._fitting import Request, fit
from ._training import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from perturbridge.values import GeneEmbedding, Latent, Screen, Split

    from ._fitted import Fitted
    from .injection._interface import InjectionSpec
    from .penalties._interface import PenaltySpec

__all__ = ["LatentModel"]


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
        Further terms of the loss that take the context out of z; none by default.
    injection
        How the embedding of a perturbation enters the decoder; None: it does not.
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
        penalties: Sequence[PenaltySpec] = (),
        injection: InjectionSpec | None = None,
        name: str = "latent",
    ) -> None:
        self.context = context
        self.architecture = architecture or Architecture()
        self.training = training or Training()
        self.penalties = tuple(penalties)
        self.injection = injection
        self.name = name
        self._fitted: Fitted | None = None

    @property
    def history_(self) -> tuple[dict[str, Any], ...]:
        """One record per epoch: loss and its parts, held-out bound (nats per cell, higher is better), seconds."""
        return self._state.history

    @property
    def _state(self) -> Fitted:
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
        unseen: Literal["raise", "encode"] = "raise",
        progress: Callable[[int, int], None] | None = None,
    ) -> Latent:
        """Posterior mean of z for every cell, in constant memory; genes are matched by name.

        Parameters
        ----------
        screen
            Cells, of this or another screen.
        unseen
            What to do about contexts that were not seen in training: refuse, or encode all the same where the encoder is not told.
        progress
            Called with cells done and cells in all.

        Returns
        -------
        Latent
            `(n_cells, n_latent)`, with split hash, labels and the mask of cells the fit saw.

        Raises
        ------
        FitError
            If over 10 % of the genes are missing, or a context is new.
        """
        fitted = self._state
        told = fitted.architecture.encode_context
        cells = open_cells(fitted, screen, needs_context=told or unseen == "raise")
        return encode(fitted, cells, name=self.name, progress=progress)
