"""What a simulated screen is made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Settings", "Truth"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of `simulate.screen`; see there."""

    n_perturbations: int
    n_pairs: int
    n_genes: int
    cells_per_perturbation: int
    n_controls: int
    n_contexts: int
    n_samples: int
    n_states: int
    confounding: float
    effect_scale: float
    specificity: float
    interaction_scale: float
    knockdown: float
    context_scale: float
    state_scale: float
    library_size: float
    dispersion: float
    seed: int

    def __post_init__(self) -> None:
        n = self.n_perturbations
        lowest = {"n_perturbations": 1, "n_pairs": 0, "n_genes": 2, "cells_per_perturbation": 1, "n_controls": 1}
        lowest |= {"n_contexts": 1, "n_samples": 1, "n_states": 1}
        for name, low in lowest.items():
            _within(name, getattr(self, name), low=low)
        for name in ("confounding", "specificity"):
            _within(name, getattr(self, name), low=0, high=1)
        for field in fields(self):
            if field.name.endswith("_scale") or field.name == "dispersion":
                _within(field.name, getattr(self, field.name), low=0)
        for name in ("library_size", "knockdown"):
            _within(name, getattr(self, name), low=1e-6)
        if self.n_pairs > n * (n - 1) // 2:
            problem = f"{self.n_pairs} pairs were asked for, {n} genes make {n * (n - 1) // 2}."
            raise DataError(problem, cure="Ask for fewer pairs or more perturbations.")


def _within(name: str, value: float, *, low: float, high: float = np.inf) -> None:
    if not (low <= value <= high and np.isfinite(value)):
        problem = f"{name} is {value}, expected a number from {low:g} to {high:g}."
        raise DataError(problem, cure=f"Choose another {name}.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """The planted quantities, on the natural log scale; a cell of perturbation p, context b, sample s and state k has

    counts_g ~ NB(mean = library size · share_g, variance = mean + dispersion · mean²),
    share = softmax(baseline + log_effects[p] + context_effects[b] + sample_effects[s] + state_programs[k]).

    Axes follow `screen.perturbations` and `screen.genes`. For a single gene,

    log_effects = common + embedding_effects + specific_effects + knockdown of the target, embedding_effects = features @ map,

    and for a pair every part is the sum over its genes, plus `interactions`.

    Parameters
    ----------
    features
        Vectors of the perturbed genes, centered on their mean, then of length 1; summed for pairs, `(n_perturbations, n_dims)`.
    map
        Linear map from embedding to log effect `(n_dims, n_genes)`; it acts on the leading axes of the single-gene features.
    common
        What every perturbed gene does, `(n_genes,)`.
    embedding_effects, specific_effects, interactions
        Parts of the effect that follow the embedding, that do not, and that pairs add `(n_perturbations, n_genes)`.
    knockdown
        log(remaining expression) at the target genes that are measured, 0 elsewhere `(n_perturbations, n_genes)`.
    log_effects
        All of them together `(n_perturbations, n_genes)`.
    baseline
        `(n_genes,)`.
    context_effects, sample_effects, state_programs
        `(n_contexts, n_genes)`, `(n_samples, n_genes)`, `(n_states, n_genes)`.
    control_state_shares, state_shares
        Composition of the controls `(n_states,)` and of each perturbation `(n_perturbations, n_states)`, rows sum to 1.
    settings
        The arguments.
    """

    features: NDArray[np.float64]
    map: NDArray[np.float64]
    common: NDArray[np.float64]
    embedding_effects: NDArray[np.float64]
    specific_effects: NDArray[np.float64]
    interactions: NDArray[np.float64]
    knockdown: NDArray[np.float64]
    log_effects: NDArray[np.float64]
    baseline: NDArray[np.float64]
    context_effects: NDArray[np.float64]
    sample_effects: NDArray[np.float64]
    state_programs: NDArray[np.float64]
    control_state_shares: NDArray[np.float64]
    state_shares: NDArray[np.float64]
    settings: Settings
