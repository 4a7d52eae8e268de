"""What a fitted `EffectModel` knows, and the prediction from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.values import Prediction

from ._design import Design

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

    from ._source_kernel import SourceKernel

__all__ = ["Fitted"]

_GENES_AT_ONCE = 2048


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """Δ̂(P) = Σ_{a ∈ P} (b + Σ_s share_s · k̃_s(a, anchors) β + offset_a).

    Parameters
    ----------
    genes
        Measured genes `(n_genes,)`.
    anchors
        Perturbed genes that span the kernels `(n_anchors,)`.
    kernels, shares
        Kernel and weight of each source `(n_sources,)`.
    intercept
        b, log1p-CP10k for each targeted gene `(n_genes,)`.
    coefficients
        β `(n_anchors, n_genes)`.
    known
        Perturbed genes with an effect of their own beyond the kernels `(n_known,)`.
    offsets
        That effect `(n_known, n_genes)`.
    offsets_in_singles
        True: it belongs to the gene wherever the gene occurs. False: it was measured in the gene's single perturbation and enters
        combinations alone, where it makes the gene's part what was measured.
    trained_on
        Perturbations it was fitted on.
    split_hash
        Of the split the rows came from.
    report
        Plain JSON types.
    """

    genes: tuple[str, ...]
    anchors: tuple[str, ...]
    kernels: tuple[SourceKernel, ...]
    shares: tuple[float, ...]
    intercept: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    known: tuple[str, ...]
    offsets: NDArray[np.float64]
    offsets_in_singles: bool
    trained_on: tuple[PerturbationName, ...]
    split_hash: str
    report: dict[str, Any]

    @cached_property
    def _known_row(self) -> dict[str, int]:
        return {gene: i for i, gene in enumerate(self.known)}

    def predict(self, names: Sequence[PerturbationName], *, model: str) -> Prediction:
        """Predict Δ for each name, in order."""
        design = Design.of(names)
        found = [kernel.features.source.locate(design.genes).rows for kernel in self.kernels]
        parts = self._gene_effects(found)
        delta = design.rows_of(parts)
        for i, name in enumerate(names):
            if self.offsets_in_singles or not name.is_single:
                rows = [self._known_row[gene] for gene in name.genes if gene in self._known_row]
                delta[i] += self.offsets[rows].sum(axis=0)
        status, detail = self._flags(names, design, found)
        trained_on = set(self.trained_on)
        return Prediction(
            perturbations=tuple(names),
            genes=self.genes,
            delta=delta,
            status=status,
            detail=detail,
            model=model,
            in_training=tuple(name in trained_on for name in names),
            split_hash=self.split_hash,
        )

    def _gene_effects(self, found: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Return b + Σ_s share_s · k̃_s β for genes given by their rows of each source `(n_targeted, n_genes)`."""
        n = len(found[0])
        out = np.empty((n, len(self.genes)))
        for start in range(0, n, _GENES_AT_ONCE):
            part = slice(start, start + _GENES_AT_ONCE)
            similar = np.zeros((len(found[0][part]), len(self.anchors)))
            for rows, kernel, share in zip(found, self.kernels, self.shares, strict=True):
                if share > 0:
                    similar += share * kernel.between(rows[part])
            out[part] = similar @ self.coefficients
        out += self.intercept
        return out

    def _flags(
        self, names: Sequence[PerturbationName], design: Design, found: list[NDArray[np.int64]]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Say for each row which vectors it lacks, over the sources that have a say in the prediction."""
        used = [s for s, share in enumerate(self.shares) if share > 0] or list(range(len(self.shares)))
        has = {gene: [bool(found[s][j] >= 0) for s in used] for j, gene in enumerate(design.genes)}
        sources = [self.kernels[s].features.source.name for s in used]
        status, detail = [], []
        for name in names:
            lacking = [
                f"{gene} has no vector in {source}"
                for gene in name.genes
                for source, there in zip(sources, has[gene], strict=True)
                if not there
            ]
            known = self.offsets_in_singles or not name.is_single
            informed = any(any(has[gene]) or (known and gene in self._known_row) for gene in name.genes)
            status.append("predicted" if not lacking else "partial_embedding" if informed else "no_embedding")
            detail.append("; ".join(lacking))
        return tuple(status), tuple(detail)
