"""One vector for each perturbation: the sum of the vectors of its genes, and what is missing from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge.numerics import sum_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import GeneEmbedding, PerturbationName

__all__ = ["PerturbationFeatures"]


@dataclass(frozen=True, eq=False, kw_only=True)
class PerturbationFeatures:
    """Sums of raw vectors.

    Parameters
    ----------
    sums
        Over the genes that have a vector `(n_perturbations, n_dims)`.
    is_complete
        True where every gene has one `(n_perturbations,)`.
    status, detail
        As in `Prediction`.
    """

    sums: NDArray[np.float64]
    is_complete: NDArray[np.bool_]
    status: tuple[str, ...]
    detail: tuple[str, ...]

    @classmethod
    def of(cls, source: GeneEmbedding, names: Sequence[PerturbationName]) -> PerturbationFeatures:
        """Look up every gene of every name."""
        genes = sorted({gene for name in names for gene in name.genes})
        row = dict(zip(genes, source.locate(genes).rows.tolist(), strict=True))
        present = [np.array([row[g] for g in name.genes if row[g] >= 0], dtype=np.int64) for name in names]
        missing = [[g for g in name.genes if row[g] < 0] for name in names]
        status = tuple(
            "predicted" if not lost else "partial_embedding" if len(found) else "no_embedding"
            for lost, found in zip(missing, present, strict=True)
        )
        note = f"no vector in {source.name}, predicted as the training mean"
        return cls(
            sums=sum_rows(source.vectors, present),
            is_complete=np.array([not lost for lost in missing], dtype=bool),
            status=status,
            detail=tuple(f"{', '.join(lost)}: {note}" if lost else "" for lost in missing),
        )
