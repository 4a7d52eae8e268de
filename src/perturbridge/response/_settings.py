"""What a `ResponseModel` was asked to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from perturbridge.errors import FitError

__all__ = ["ResponseSettings"]


@dataclass(frozen=True, kw_only=True)
class ResponseSettings:
    """Settings beside the embeddings and the injection.

    Parameters
    ----------
    n_prototypes
        Points of the control population at which displacements are learnt, shared out over strata by their controls.
    alphas
        Penalties to try, in units of the mean eigenvalue of the kernel, ascending; the mean alone is always tried.
    shares
        Weights tried for a source that joins those chosen so far.
    folds
        Folds over perturbations for everything that is reported.
    n_cells
        Control cells on which the head learns and folds are scored.
    n_hidden, n_layers
        Size of the head.
    n_condition
        Principal components of the embeddings that the head is told.
    epochs, patience
        Passes over the training perturbations at most, and without a lower held-out loss before the head stops.
    perturbations_at_once, cells_at_once
        Size of a step.
    learning_rate, weight_decay
        Of Adam; the decay is that of AdamW.
    energy
        Weight of the energy distance in the loss; needs perturbed cells.
    energy_cells
        Cells of either side in a distance; perturbations with fewer pairs have none.
    size
        Weight of the squared residual in the loss.
    seed
        Draws prototypes, cells, folds, weights and batches.
    """

    n_prototypes: int = 256
    alphas: tuple[float, ...] = tuple(10.0 ** (i / 4) for i in range(-16, 13))
    shares: tuple[float, ...] = (0.25, 0.5, 0.75)
    folds: int = 5
    n_cells: int = 512
    n_hidden: int = 64
    n_layers: int = 2
    n_condition: int = 16
    epochs: int = 60
    patience: int = 15
    perturbations_at_once: int = 16
    cells_at_once: int = 64
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    energy: float = 0.1
    energy_cells: int = 32
    size: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphas", tuple(sorted(float(a) for a in self.alphas)))
        object.__setattr__(self, "shares", tuple(sorted(float(s) for s in self.shares)))
        counts = (
            "n_prototypes",
            "n_cells",
            "n_hidden",
            "n_layers",
            "n_condition",
            "epochs",
            "patience",
            "perturbations_at_once",
            "cells_at_once",
            "energy_cells",
        )
        low = {name: getattr(self, name) for name in counts if getattr(self, name) < 1}
        low |= {"folds": self.folds} if self.folds < 2 else {}
        low |= {name: getattr(self, name) for name in ("energy", "size", "weight_decay") if getattr(self, name) < 0}
        low |= {"learning_rate": self.learning_rate} if self.learning_rate <= 0 else {}
        if low:
            problem = f"Settings of the response model are too small: {low}."
            raise FitError(problem, cure="Use at least 1 of each, 2 folds, and weights that are not negative.")
        if not self.alphas or not self.alphas[0] > 0 or any(not 0 < share < 1 for share in self.shares):
            problem = f"alphas begin {self.alphas[:1]} and shares are {self.shares}."
            raise FitError(problem, cure="Use positive penalties, and shares between 0 and 1.")

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> ResponseSettings:
        """Build settings from what `as_json` gave."""
        listed = {key: tuple(about[key]) for key in ("alphas", "shares")}
        return cls(**(about | listed))

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)
