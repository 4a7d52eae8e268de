"""The measured side of a comparison: made once, read by every model that is scored on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import FrozenMapping

from ._gene_sets import control_gene_sets
from ._noise import reference_variance, strength, train_weights, unforeseeable_variance
from ._weighted import PanelMoments, rest_statistic
from ._welch import contrast_of_real

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName

    from ._metric import Need
    from ._welch import Contrast

__all__ = ["Measured", "MeasuredBlock"]

_BLOCK_ENTRIES = 1 << 20
_KEPT_ENTRIES = 1 << 22


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuredBlock:
    """Consecutive perturbations, genes in the order of their names, with what metrics read of them.

    Parameters
    ----------
    rows
        Which of the scored perturbations.
    effects
        Their real effects, genes in the order of the screen.
    true, strength, counted, noise, rest
        As in `Aligned`; strength 0, noise and rest None where they were not asked for.
    contrast
        Differential expression, or None.
    """

    rows: slice
    effects: Effects
    true: NDArray[np.float64]
    strength: NDArray[np.float64]
    counted: NDArray[np.bool_]
    noise: NDArray[np.float64] | None
    rest: NDArray[np.float64] | None
    contrast: Contrast | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """Real effects of the scored perturbations, with the references that come from training rows and controls.

    Parameters
    ----------
    effects
        All that was measured.
    perturbations
        Those to score.
    train
        Real effects of the training perturbations.
    exclude_targets
        Whether target genes are left out.
    contrast
        Differential expression of the scored perturbations, genes in the order of the screen; None: Welch's test of their moments.
    elsewhere
        Whether the training perturbations were measured on other cells than the scored ones, with controls of their own.
    """

    effects: Effects
    perturbations: tuple[PerturbationName, ...]
    train: Effects
    exclude_targets: bool
    contrast: Contrast | None = None
    elsewhere: bool = False
    _kept: dict[tuple[int, frozenset[Need]], MeasuredBlock] = field(default_factory=dict)

    @cached_property
    def genes(self) -> NDArray[np.int64]:
        """Columns of the screen in the order of the gene names `(n_genes,)`."""
        names = self.effects.genes
        return np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)

    @cached_property
    def train_mean(self) -> NDArray[np.float64] | None:
        """Unweighted mean Δ of the training perturbations `(n_genes,)`, in the order of the names; None without any."""
        if not self.train.perturbations:
            return None
        return np.asarray(self.train.delta.mean(axis=0)[self.genes], dtype=np.float64)

    @cached_property
    def reference_noise(self) -> NDArray[np.float64] | None:
        """Sampling variance of `train_mean` beyond that of the controls `(n_genes,)`; None where it is unknown."""
        found = reference_variance(self.train)
        return None if found is None else found[self.genes]

    @cached_property
    def gene_sets(self) -> Mapping[str, NDArray[np.bool_]]:
        """Genes picked by the controls, in the order of the names."""
        return FrozenMapping({name: chosen[self.genes] for name, chosen in control_gene_sets(self.effects).items()})

    @cached_property
    def target(self) -> NDArray[np.bool_]:
        """Which gene is a target of which scored perturbation `(n_perturbations, n_genes)`; none where targets are kept."""
        place = {gene: i for i, gene in enumerate(sorted(self.effects.genes))}
        out = np.zeros((len(self.perturbations), len(place)), dtype=np.bool_)
        if self.exclude_targets:
            for i, name in enumerate(self.perturbations):
                out[i, [place[gene] for gene in name.genes if gene in place]] = True
        return out

    @cached_property
    def _moments(self) -> PanelMoments | None:
        """Over the cells of all scored and training perturbations; of the scored ones alone where these are other cells."""
        if self.elsewhere:
            return PanelMoments.of(self.effects.take(self.perturbations))
        panel = self.effects.take((*self.perturbations, *self.train.perturbations))
        return PanelMoments.of(panel)

    @cached_property
    def _weights(self) -> NDArray[np.float64] | None:
        contexts = self.effects.contexts
        if self.elsewhere and contexts is not None:
            # No training Δ holds the noise of these controls.
            return np.zeros(len(contexts.names))
        return train_weights(self.train) if self.train.perturbations else None

    def blocks(self, needs: frozenset[Need]) -> Iterator[MeasuredBlock]:
        """Yield consecutive rows, a block of about a million entries at a time, with what is needed; small tables are kept for the next model."""
        n_genes = max(1, len(self.genes))
        step = max(1, _BLOCK_ENTRIES // n_genes)
        keep = len(self.perturbations) * n_genes <= _KEPT_ENTRIES
        for start in range(0, len(self.perturbations), step):
            block = self._kept.get((start, needs))
            if block is None:
                block = self._block(slice(start, min(start + step, len(self.perturbations))), needs=needs)
            if keep:
                self._kept[start, needs] = block
            yield block

    def _block(self, rows: slice, *, needs: frozenset[Need]) -> MeasuredBlock:
        real = self.effects.take(self.perturbations[rows])
        noise = unforeseeable_variance(real, weights=self._weights) if "noise" in needs else None
        rest = rest_statistic(real, self._moments) if "rest" in needs else None
        contrast = None
        if "contrast" in needs:
            contrast = contrast_of_real(real) if self.contrast is None else self.contrast.of_rows(rows)
        strong = strength(real)[:, self.genes] if "strength" in needs else np.broadcast_to(0.0, real.delta.shape)
        return MeasuredBlock(
            rows=rows,
            effects=real,
            true=real.delta[:, self.genes],
            strength=strong,
            counted=~self.target[rows],
            noise=None if noise is None else noise[:, self.genes],
            rest=None if rest is None else rest[:, self.genes],
            contrast=None if contrast is None else contrast.take(self.genes),
        )
