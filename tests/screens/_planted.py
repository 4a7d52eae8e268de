"""A small screen as arrays, and Δ computed from them the long way in dense float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from perturbridge.screens import ArraySource
from perturbridge.values import Labels, Normalization, Screen, as_names


@dataclass(frozen=True)
class Planted:
    """Values `(n_cells, n_genes)` and codes `(n_cells,)`; -1 is a control, -2 unassigned, and a context of -1 missing."""

    values: np.ndarray
    codes: np.ndarray
    contexts: np.ndarray
    kind: str = "counts"
    target_sum: float = 1e4

    @property
    def names(self):
        return as_names([f"P{i:02d}" for i in range(self.codes.max() + 1)])

    def screen(self, *, layout=sparse.csr_matrix, context: bool = True) -> Screen:
        levels = tuple(f"b{i}" for i in range(self.contexts.max() + 1))
        return Screen(
            source=ArraySource(layout(self.values)),
            genes=tuple(f"g{i}" for i in range(self.values.shape[1])),
            perturbations=self.names,
            perturbation_codes=self.codes,
            normalization=Normalization(kind=self.kind, place="X", target_sum=self.target_sum),
            context=Labels("batch", levels, self.contexts) if context else None,
        )

    def profiles(self) -> np.ndarray:
        values = self.values.astype(np.float64)
        if self.kind == "log1p":
            return values
        totals = values.sum(axis=1, keepdims=True)
        return np.log1p(values / np.where(totals > 0, totals, 1) * self.target_sum)

    def usable(self) -> np.ndarray:
        """Cells that enter a mean: labeled, with a context that has controls, and with counts."""
        good = (self.codes >= -1) & (self.contexts >= 0)
        if self.kind == "counts":
            good &= self.values.sum(axis=1) > 0
        with_control = np.unique(self.contexts[good & (self.codes == -1)])
        return good & np.isin(self.contexts, with_control)

    def delta(self) -> np.ndarray:
        """Subtract from every cell the control mean of its own context, then average over the cells of a perturbation."""
        x, good = self.profiles(), self.usable()
        shifted = x.copy()
        for b in np.unique(self.contexts[good]):
            here = good & (self.contexts == b)
            shifted[here] -= x[here & (self.codes == -1)].mean(axis=0)
        return np.stack([shifted[good & (self.codes == p)].mean(axis=0) for p in range(self.codes.max() + 1)])

    def variance(self) -> np.ndarray:
        x, good = self.profiles(), self.usable()
        return np.stack([x[good & (self.codes == p)].var(axis=0, ddof=1) for p in range(self.codes.max() + 1)])


def planted(
    seed: int = 0, *, n_cells: int = 900, n_genes: int = 30, n_perturbations: int = 7, n_contexts: int = 4, **more
) -> Planted:
    """Counts with perturbations, contexts that shift expression, confounding between the two, and some unassigned cells."""
    rng = np.random.default_rng(seed)
    contexts = rng.integers(n_contexts, size=n_cells)
    codes = np.where(rng.random(n_cells) < 0.25, -1, rng.integers(n_perturbations, size=n_cells))
    # Perturbation 0 lies mostly in context 0.
    contexts[(codes == 0) & (rng.random(n_cells) < 0.8)] = 0
    codes[rng.random(n_cells) < 0.05] = -2
    rate = (
        np.exp(rng.normal(size=(n_contexts, n_genes)))[contexts]
        * np.exp(0.3 * rng.normal(size=(n_perturbations + 2, n_genes)))[codes]
    )
    values = rng.poisson(rate * rng.gamma(4, 0.25, size=(n_cells, 1))).astype(np.float32)
    return Planted(values, codes.astype(np.int32), contexts.astype(np.int32), **more)
