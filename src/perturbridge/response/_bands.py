"""Intervals from held-out perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LEVELS", "Bands", "quantile"]

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


def _known(level: float) -> float:
    if level not in LEVELS:
        problem = f"There are no intervals at level {level}."
        raise FitError(problem, cure=f"Use one of {', '.join(map(str, LEVELS))}.")
    return level


def quantile(sizes: NDArray[np.float64], level: float) -> NDArray[np.float64] | None:
    """Return the ⌈(n + 1) · level⌉-th smallest of n along the first axis, or None where n is too small for it.

    A new case of the same kind lies below with probability `level` at least (Vovk, Gammerman and Shafer 2005).

    Raises
    ------
    FitError
        If the level is none of `LEVELS`.
    """
    rank = ceil((len(sizes) + 1) * _known(level) - 1e-9)
    return np.asarray(np.sort(sizes, axis=0)[rank - 1]) if rank <= len(sizes) else None


@dataclass(frozen=True, eq=False)
class Bands:
    """Half-widths for each gene, of singles and of combinations apart, in the unit of Δ.

    Parameters
    ----------
    genes
        Columns.
    single, combination
        At those of `LEVELS` that training rows of this kind are enough for `(n_levels of the kind, n_genes)`.
    """

    genes: tuple[str, ...]
    single: NDArray[np.float64]
    combination: NDArray[np.float64]

    @classmethod
    def of(cls, genes: tuple[str, ...], sizes: NDArray[np.float64], is_single: NDArray[np.bool_]) -> Bands:
        """Take quantiles of |measured − held-out prediction| of training rows `(n_rows, n_genes)`."""
        found = []
        for rows in (is_single, ~is_single):
            widths = [quantile(sizes[rows], level) for level in LEVELS]
            kept = [width for width in widths if width is not None]
            found.append(np.stack(kept) if kept else np.zeros((0, len(genes))))
        return cls(genes, *found)

    def at(self, level: float, *, is_single: bool) -> NDArray[np.float64] | None:
        """Half-widths at a level `(n_genes,)`, None where rows are too few.

        Too few combinations borrow from singles, √2 times as wide: as if the errors of two genes were independent.

        Raises
        ------
        FitError
            If the level is none of `LEVELS`.
        """
        i = LEVELS.index(_known(level))
        if not is_single and i < len(self.combination):
            return np.asarray(self.combination[i])
        if i < len(self.single):
            return np.asarray(self.single[i] * (1.0 if is_single else np.sqrt(2.0)))
        return None
