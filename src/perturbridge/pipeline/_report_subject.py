"""What a report's sections ask of what was scored, be it a run or predictions from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from perturbridge.values import Prediction, ScoreTable

__all__ = ["ScoredModel", "Subject"]


class Subject(Protocol):
    """A model, its predictions of perturbations it has not seen, and its scores beside those of baselines."""

    @property
    def model(self) -> str:
        """Name of the model."""

    @property
    def scores(self) -> ScoreTable:
        """Long table over the model and what it is compared with."""

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of what it is compared with; empty where there is nothing."""

    @property
    def held_out(self) -> Prediction:
        """Its predictions."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoredModel:
    """A `Subject` of parts: one model of an evaluation."""

    model: str
    scores: ScoreTable
    baselines: tuple[str, ...]
    held_out: Prediction
