"""Which genes each perturbation targets, and which rows have one in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

__all__ = ["Design"]


@dataclass(frozen=True, eq=False)
class Design:
    """Perturbations over the genes they target.

    Parameters
    ----------
    names
        Rows.
    genes
        Sorted, all that occur.
    targets
        1 where a row targets a gene `(n_rows, n_targeted)`.
    """

    names: tuple[PerturbationName, ...]
    genes: tuple[str, ...]
    targets: NDArray[np.float64]

    @classmethod
    def of(cls, names: Sequence[PerturbationName]) -> Design:
        """Lay out these perturbations."""
        genes = tuple(sorted({gene for name in names for gene in name.genes}))
        place = {gene: j for j, gene in enumerate(genes)}
        targets = np.zeros((len(names), len(genes)))
        for i, name in enumerate(names):
            targets[i, [place[gene] for gene in name.genes]] = 1.0
        return cls(tuple(names), genes, targets)

    @cached_property
    def n_genes_each(self) -> NDArray[np.float64]:
        """How many genes each row targets `(n_rows,)`."""
        return np.asarray(self.targets.sum(axis=1))

    @cached_property
    def relatives(self) -> tuple[NDArray[np.int64], ...]:
        """For each row all rows that target one of its genes, itself among them."""
        touching = self.targets @ self.targets.T > 0
        return tuple(np.flatnonzero(row) for row in touching)

    @cached_property
    def is_plain(self) -> bool:
        """True where no two rows have a gene in common."""
        return all(len(rows) == 1 for rows in self.relatives)

    @cached_property
    def singles(self) -> dict[str, int]:
        """Row of each gene that is perturbed alone."""
        return {name.genes[0]: i for i, name in enumerate(self.names) if name.is_single}
