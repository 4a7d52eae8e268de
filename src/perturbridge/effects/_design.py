"""Which genes each perturbation targets, as a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

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
    perturbations
        Rows.
    genes
        Sorted, all that occur.
    targets
        1 where a perturbation targets a gene, sparse `(n_perturbations, n_targeted)`.
    """

    perturbations: tuple[PerturbationName, ...]
    genes: tuple[str, ...]
    targets: csr_array

    @classmethod
    def of(cls, perturbations: Sequence[PerturbationName]) -> Design:
        """Lay out these perturbations."""
        genes = tuple(sorted({gene for name in perturbations for gene in name.genes}))
        column = {gene: j for j, gene in enumerate(genes)}
        indices = [column[gene] for name in perturbations for gene in name.genes]
        ends = np.cumsum([0, *(len(name.genes) for name in perturbations)])
        shape = (len(perturbations), len(genes))
        return cls(tuple(perturbations), genes, csr_array((np.ones(len(indices)), indices, ends), shape=shape))

    @cached_property
    def n_genes_each(self) -> NDArray[np.float64]:
        """How many genes each perturbation targets `(n_perturbations,)`."""
        return np.asarray([len(name.genes) for name in self.perturbations], dtype=np.float64)

    @property
    def has_combinations(self) -> bool:
        """True where some perturbation targets more than one gene."""
        return bool((self.n_genes_each > 1).any())

    @cached_property
    def gene_of_row(self) -> NDArray[np.int64]:
        """Column of the only gene of each row, for designs without combinations `(n_perturbations,)`."""
        return self.targets.indices.astype(np.int64)

    def between(self, gene_kernel: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ_{a ∈ P} Σ_{b ∈ Q} k(a, b) for all pairs of perturbations P, Q `(n_perturbations, n_perturbations)`.

        Parameters
        ----------
        gene_kernel
            `(n_targeted, n_targeted)`.
        """
        if not self.has_combinations:
            return gene_kernel[np.ix_(self.gene_of_row, self.gene_of_row)]
        half = np.asarray(self.targets @ gene_kernel)
        return np.ascontiguousarray(np.asarray(self.targets @ half.T).T)

    def rows_of(self, per_gene: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ_{a ∈ P} x(a) for every perturbation P, from one row for each gene `(n_perturbations, ...)`."""
        return np.asarray(self.targets @ per_gene)

    def to_genes(self, per_row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ_{P ∋ a} c(P) for every gene a `(n_targeted, ...)`."""
        return np.asarray(self.targets.T @ per_row)
