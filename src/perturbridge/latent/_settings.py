"""Everything that decides what a latent model is: the same names in Python, on the command line, in TOML and in the saved model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._architecture import Architecture
from ._model import LatentModel
from ._training import Training

if TYPE_CHECKING:
    from perturbridge.injection import InjectionSpec

    from .penalties._interface import PenaltySpec

__all__ = ["LatentSettings"]


@dataclass(frozen=True, kw_only=True)
class LatentSettings:
    """What a `LatentModel` is made of, and how it is trained.

    Parameters
    ----------
    design
        The composition it started from, one of `DESIGNS`.
    architecture, training
        Settings of the networks and of the run.
    penalties
        Further terms of the loss that take the context out of z.
    injection
        How the embedding of a perturbation enters the decoder; None: it does not.
    embedding
        File or name of that embedding; empty: one column for each perturbed gene.
    labels
        Grouping known for some cells (scANVI); None: none.
    """

    design: str = "scvi"
    architecture: Architecture = field(default_factory=Architecture)
    training: Training = field(default_factory=Training)
    penalties: tuple[PenaltySpec, ...] = ()
    injection: InjectionSpec | None = None
    embedding: str = ""
    labels: str | None = None

    def model(self, context: str | None = "context", *, name: str | None = None) -> LatentModel:
        """Return the unfitted model.

        Parameters
        ----------
        context
            Grouping the decoder is told.
        name
            For tables; default: the design.
        """
        return LatentModel(
            context,
            architecture=self.architecture,
            training=self.training,
            penalties=self.penalties,
            injection=self.injection,
            labels=self.labels,
            name=name or self.design,
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "design": self.design,
            "labels": self.labels,
            "embedding": self.embedding,
            "architecture": self.architecture.as_json(),
            "penalties": [spec.as_json() for spec in self.penalties],
            "injection": None if self.injection is None else self.injection.as_json(),
            "training": self.training.as_json(),
        }
