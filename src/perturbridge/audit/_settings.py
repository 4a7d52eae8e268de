"""The tolerances and sizes of an audit, in one place, with the reason for each default."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from perturbridge.errors import DataError

__all__ = ["AuditSettings"]


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What an audit tolerates and how hard it looks.

    Parameters
    ----------
    leak_tolerance
        AUC of the strongest probe up to which context counts as unreadable. At .60 the means of two contexts of unit spread lie
        0.36 apart, and transport gives away at most about a third of a standard deviation of context as effect.
    retention_floor
        Share of the reference's readability (AUC − ½) of condition and state that must be kept.
    displacement_tolerance
        Share of a perturbation's displacement that may lie along the context axis.
    noise_tolerance
        Energy distance of controls between contexts over that of controls to perturbed cells.
    n_permutations
        Shuffles of each exact test.
    n_folds
        Folds of the random split.
    max_cells
        Cells that the probes see; more are drawn at random, which the report says and the interval carries. Exact tests see all whose
        coordinates are looked at.
    max_cells_seen
        Cells whose coordinates are looked at: of more so many are drawn, each context in its share, which the report says, so that
        memory does not grow with the screen. Counts of labels, copies of cells and the fingerprint are of all cells.
    min_cells
        Contexts with fewer cells are not tested, and the report says so.
    confidence
        Of every interval: its lower bound holds over all probes at once, its upper bound for each.
    seed
        Draws folds, subsamples, shuffles.
    """

    leak_tolerance: float = 0.60
    retention_floor: float = 0.90
    displacement_tolerance: float = 0.25
    noise_tolerance: float = 1.0
    n_permutations: int = 999
    n_folds: int = 5
    max_cells: int = 20_000
    max_cells_seen: int = 200_000
    min_cells: int = 10
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        ranges = {
            "leak_tolerance": (0.5, 1.0),
            "retention_floor": (0.0, 1.0),
            "displacement_tolerance": (0.0, float("inf")),
            "noise_tolerance": (0.0, float("inf")),
            "n_permutations": (19, 10**6),
            "n_folds": (2, 20),
            "max_cells": (200, 10**7),
            "max_cells_seen": (200, 10**10),
            "min_cells": (2, 10**6),
            "confidence": (0.5, 0.9999),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                problem = f"{name} is {value}."
                raise DataError(problem, cure=f"Use a value from {low:g} to {high:g}.")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)
