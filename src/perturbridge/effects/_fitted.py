"""What a fitted `EffectModel` knows, and the prediction from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from perturbridge.values import Prediction

from ._design import Design
from ._flags import flags
from ._interactions import interaction_kernels
from ._intervals import stratum_of
from ._target_gene import columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName

    from ._intervals import Radii
    from ._source_kernel import SourceKernel
    from ._target_gene import TargetGene

__all__ = ["Fitted"]

_GENES_AT_ONCE = 2048


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """Δ̂(P) = Σ_{a ∈ P} (b + Σ_s share_s · k̃_s(a, anchors) β + offset_a) + Σ_i w_i k_i(P, combinations) γ.

    Parameters
    ----------
    genes
        Measured genes `(n_genes,)`.
    anchors
        Perturbed genes that span the kernels `(n_anchors,)`.
    kernels, shares
        Kernel and weight of each source `(n_sources,)`.
    reaches
        How far from its nearest training gene a gene of each source may lie to be within support `(n_sources,)`.
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
    interactions
        w_i, by name of the interaction kernel.
    interaction_coefficients
        γ `(n_combinations, n_genes)`; no rows where there is no interaction.
    target
        The effect on the targeted gene itself.
    radii
        Half-widths of intervals by kind of row.
    interaction_radii
        Half-widths of intervals of interactions.
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
    reaches: tuple[float, ...]
    intercept: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    known: tuple[str, ...]
    offsets: NDArray[np.float64]
    offsets_in_singles: bool
    interactions: Mapping[str, float]
    interaction_coefficients: NDArray[np.float64]
    target: TargetGene
    radii: Mapping[str, Radii]
    interaction_radii: Radii
    trained_on: tuple[PerturbationName, ...]
    split_hash: str
    report: dict[str, Any]

    @cached_property
    def known_row(self) -> dict[str, int]:
        """Row of `offsets` of each known gene."""
        return {gene: i for i, gene in enumerate(self.known)}

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of each measured gene."""
        return {gene: j for j, gene in enumerate(self.genes)}

    @cached_property
    def combinations(self) -> Design:
        """Training rows that the interaction kernels compare with."""
        return Design.of([name for name in self.trained_on if not name.is_single])

    @property
    def used(self) -> list[int]:
        """Sources that have a say in the prediction; all of them where none has."""
        return [s for s, share in enumerate(self.shares) if share > 0] or list(range(len(self.shares)))

    def predict(
        self, names: Sequence[PerturbationName], *, model: str, level: float = 0.9, band: str = "gene"
    ) -> Prediction:
        """Predict Δ for each name, in order, with intervals where left-out rows warrant them."""
        design = Design.of(names)
        found = self.locate(design.genes)
        delta = design.rows_of(self._gene_effects(found))
        for i, name in enumerate(names):
            rows = self.own_rows(name)
            delta[i] += self.offsets[rows].sum(axis=0)
        delta += self.interaction(design)
        status, detail = flags(self, names, genes=design.genes, found=found)
        lower, upper = self._bounds(names, delta, level=level, whole_profile=band == "profile")
        trained_on = set(self.trained_on)
        return Prediction(
            perturbations=tuple(names),
            genes=self.genes,
            delta=delta,
            status=status,
            detail=detail,
            model=model,
            lower=lower,
            upper=upper,
            in_training=tuple(name in trained_on for name in names),
            split_hash=self.split_hash,
        )

    def predict_interaction(self, names: Sequence[PerturbationName], *, model: str, level: float) -> Prediction:
        """Predict what each combination does beyond the sum of its genes' effects, in order."""
        design = Design.of(names)
        found = self.locate(design.genes)
        status, detail = flags(self, names, genes=design.genes, found=found)
        delta = self.interaction(design)
        radius = self.interaction_radii.at(level, whole_profile=False)
        trained_on = set(self.trained_on)
        return Prediction(
            perturbations=tuple(names),
            genes=self.genes,
            delta=delta,
            status=status,
            detail=detail,
            model=model,
            lower=None if radius is None else delta - radius,
            upper=None if radius is None else delta + radius,
            in_training=tuple(name in trained_on for name in names),
            split_hash=self.split_hash,
        )

    def locate(self, genes: Sequence[str]) -> list[NDArray[np.int64]]:
        """Row of each gene in each source, -1 where it has none."""
        return [kernel.features.source.locate(genes).rows for kernel in self.kernels]

    def own_rows(self, name: PerturbationName) -> list[int]:
        """Rows of `offsets` that enter the prediction of this perturbation."""
        if name.is_single and not self.offsets_in_singles:
            return []
        return [self.known_row[gene] for gene in name.genes if gene in self.known_row]

    def similar(self, found: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Σ_s share_s · k̃_s between genes given by their rows of each source, and the anchors `(n_targeted, n_anchors)`."""
        out = np.zeros((len(found[0]), len(self.anchors)))
        for rows, kernel, share in zip(found, self.kernels, self.shares, strict=True):
            if share > 0:
                out += share * kernel.between(rows)
        return out

    def _gene_effects(self, found: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Return b + Σ_s share_s · k̃_s β for genes given by their rows of each source `(n_targeted, n_genes)`."""
        n = len(found[0])
        out = np.empty((n, len(self.genes)))
        for start in range(0, n, _GENES_AT_ONCE):
            part = slice(start, start + _GENES_AT_ONCE)
            out[part] = self.similar([rows[part] for rows in found]) @ self.coefficients
        out += self.intercept
        return out

    def interaction(self, design: Design) -> NDArray[np.float64]:
        """Return what combinations do beyond the sum of their genes' effects `(n_perturbations, n_genes)`; 0 for singles."""
        out = np.zeros((len(design.perturbations), len(self.genes)))
        if not len(self.interaction_coefficients) or not design.has_combinations:
            return out
        column = {gene: j for j, gene in enumerate(self.anchors)}
        columns = [column[gene] for gene in self.combinations.genes]
        similar = self.similar(self.locate(design.genes))[:, columns]
        for name, kernel in interaction_kernels(design, self.combinations, similar).items():
            if self.interactions.get(name, 0.0) > 0:
                out += self.interactions[name] * kernel @ self.interaction_coefficients
        return out

    def half_widths(self, name: PerturbationName, *, level: float, whole_profile: bool) -> NDArray[np.float64] | None:
        """Half-widths of the interval of one perturbation `(n_genes,)`, or None where too few left-out rows warrant it."""
        stratum = stratum_of(name, self.known if self.offsets_in_singles else ())
        # Where too few rows of its kind were left out: as if the errors of its genes, all new, were independent.
        kinds = ((stratum, 1.0), ("single, gene new", np.sqrt(len(name.genes))))
        tried = (
            (wider, self.radii[kind].at(level, whole_profile=whole_profile))
            for kind, wider in kinds
            if kind in self.radii
        )
        wider, radius = next(((w, r) for w, r in tried if r is not None), (1.0, None))
        if radius is None:
            return None
        radius = wider * radius
        own = None if self.target.kind == "none" else self.target.radii.at(level, whole_profile=False)
        if own is not None:
            radius[columns_of(name, self.column)] = own[0]
        return radius

    def _bounds(
        self, names: Sequence[PerturbationName], delta: NDArray[np.float64], *, level: float, whole_profile: bool
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Set the targeted genes in `delta`, and return bounds around it, or None where some row has none."""
        radii = []
        for i, name in enumerate(names):
            for column in columns_of(name, self.column):
                value = self.target.of(column, is_single=name.is_single)
                delta[i, column] = delta[i, column] if value is None else value
            radii.append(self.half_widths(name, level=level, whole_profile=whole_profile))
        if not names or any(radius is None for radius in radii):
            return None, None
        radius = np.stack([r for r in radii if r is not None])
        return delta - radius, delta + radius
