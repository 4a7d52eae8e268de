"""log1p of counts per 10,000 for references: what they see of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from perturbridge.errors import FitError
from perturbridge.latent._genes import match_genes
from perturbridge.latent._groupings import carried
from perturbridge.latent._opening import screen_mark
from perturbridge.latent.cells._memory import load_rows
from perturbridge.latent.modules._encoder import log_values
from perturbridge.values import FittedStep, Latent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from perturbridge.latent._rows import Chosen
    from perturbridge.latent.cells._batch import SparseRows
    from perturbridge.latent.cells._table import GeneMap
    from perturbridge.values import Screen

__all__ = ["ReferenceStart", "as_latent", "dense_values"]

CELLS_PER_READ = 4096


class ReferenceStart:
    """What a reference remembers of the screen it was fitted on.

    Parameters
    ----------
    screen, chosen
        The screen, and the rows that were used.
    """

    def __init__(self, screen: Screen, chosen: Chosen) -> None:
        self.genes = screen.genes
        self.kind = screen.normalization.kind
        self.target_sum = screen.normalization.target_sum
        self.mark = screen_mark(screen)
        self.chosen = chosen

    def values(self, screen: Screen, rows: NDArray[np.int64]) -> Iterator[Tensor]:
        """Values of ascending rows, genes matched by name, a stretch at a time `(n_cells, n_genes)`.

        Raises
        ------
        FitError
            If over 10 % of the genes are missing, or the values are of another kind.
        """
        if screen.normalization.kind != self.kind:
            problem = f"The model was fitted on {self.kind}, this screen holds {screen.normalization.kind}."
            raise FitError(problem, cure="Read the screen from the place where values of that kind lie.")
        genes, _ = match_genes(self.genes, screen.genes)
        for counts in stretches(screen, rows, genes=genes):
            yield dense_values(counts, logged=self.kind == "log1p", target_sum=self.target_sum)


def dense_values(counts: SparseRows, *, logged: bool, target_sum: float) -> Tensor:
    """log1p(x · target_sum / Σ x) `(n_cells, n_genes)`; log1p values as they are."""
    return counts.dense(log_values(counts, scaled=True, logged=logged, target_sum=target_sum))


def stretches(screen: Screen, rows: NDArray[np.int64], *, genes: GeneMap) -> Iterator[SparseRows]:
    """Read ascending rows a stretch at a time."""
    for start in range(0, len(rows), CELLS_PER_READ):
        part = rows[start : start + CELLS_PER_READ]
        yield load_rows(screen.source, part, genes=genes, device=torch.device("cpu")).take(part)


def as_latent(screen: Screen, start: ReferenceStart, z: NDArray[np.float32], *, name: str, made_by: str) -> Latent:
    """Wrap coordinates of all cells of a screen."""
    trained = None
    if screen_mark(screen) == start.mark:
        trained = np.isin(np.arange(screen.n_cells), start.chosen.seen)
    step = FittedStep(
        name=name,
        rows="train" if start.chosen.split_hash else "all",
        split_hash=start.chosen.split_hash,
        n_cells=len(start.chosen.seen),
    )
    return Latent(
        z=z,
        name=name,
        made_by=made_by,
        labels=carried(screen),
        split_hash=start.chosen.split_hash,
        trained=trained,
        steps=(step,),
    )
