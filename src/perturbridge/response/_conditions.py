"""What the residual is told of a perturbation: principal components of its embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from ._design import Design

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

    from ._genes import GeneSpace

__all__ = ["Conditions"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Conditions:
    """c(P) = (mean over genes of x(g) V / scale, number of genes − 1); 0 for a gene without a vector.

    Parameters
    ----------
    space
        x.
    basis
        V, principal directions of the training genes `(n_all_dims, n_components)`.
    scale
        Root mean square of x V over training genes and components.
    """

    space: GeneSpace
    basis: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, space: GeneSpace, genes: Sequence[str], *, n: int) -> Self:
        """Find at most `n` directions."""
        features = space.features(genes)
        _, sizes, directions = np.linalg.svd(features, full_matrices=False)
        kept = int(min(n, (sizes > 1e-6 * max(sizes.max(initial=0.0), 1e-12)).sum()))
        basis = directions[:kept].T
        scale = float(np.sqrt(((features @ basis) ** 2).mean())) if kept else 1.0
        return cls(space=space, basis=np.ascontiguousarray(basis), scale=scale or 1.0)

    @property
    def n(self) -> int:
        """Columns of what it tells."""
        return int(self.basis.shape[1]) + 1

    def at(self, names: Sequence[PerturbationName]) -> NDArray[np.float32]:
        """Return c of each perturbation `(n_asked, n)`."""
        design = Design.of(names)
        pooled = (design.targets / design.n_genes_each[:, None]) @ (self.space.features(design.genes) @ self.basis)
        more = design.n_genes_each[:, None] - 1.0
        return np.concatenate([pooled / self.scale, more], axis=1).astype(np.float32)
