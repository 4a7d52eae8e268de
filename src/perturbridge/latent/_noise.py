"""Randomness of a step: drawn from (seed, step) alone, so that a resumed run draws what the first would have drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Noise", "generator", "reseed"]


def generator(*seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of its own for a tuple of seeds; torch's global one is never touched."""
    made = torch.Generator(device=device)
    reseed(made, *seed)
    return made


def reseed(source: torch.Generator, *seed: int) -> None:
    """Set a generator to what a tuple of seeds says."""
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    source.manual_seed(int(state) & (2**63 - 1))


class Noise:
    """Draws for the cells of a step; with several processes each takes its own rows of one common draw.

    Parameters
    ----------
    source
        Where numbers come from.
    span
        First and last row (excluded) of this process among the cells of the step.
    n_all
        Cells of the step over all processes.
    """

    def __init__(self, source: torch.Generator, span: tuple[int, int], n_all: int) -> None:
        self.source = source
        self._span = span
        self._n_all = n_all

    @classmethod
    def whole(cls, n_cells: int, source: torch.Generator) -> Noise:
        """Draw for all cells of a step in this process."""
        return cls(source, (0, n_cells), n_cells)

    def normal(self, n_columns: int) -> Tensor:
        """Standard normal `(n_cells, n_columns)`."""
        drawn = torch.randn(self._n_all, n_columns, generator=self.source, device=self.source.device)
        return drawn[slice(*self._span)]

    def keep(self, n_columns: int, *, dropout: float) -> Tensor:
        """Dropout factors, 0 or 1/(1 − dropout) `(n_cells, n_columns)`."""
        drawn = torch.rand(self._n_all, n_columns, generator=self.source, device=self.source.device)
        return (drawn[slice(*self._span)] >= dropout).float().div_(1 - dropout)
