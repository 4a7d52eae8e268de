"""Metrics of differential expression: are the genes found that really change, and do they change the right way?

Real calls come from Welch's test (or from the table given to `score`), at an adjusted p below 0.05 over all genes of the screen.
A prediction without cells is called as if it had been measured on as many cells as the real profile. The change of a gene is its Δ.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ._ranks import ranks, rho

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._metric import Aligned
    from ._welch import Contrast

    Compute = Callable[[Aligned], NDArray[np.float64]]

__all__ = [
    "Calls",
    "calls",
    "de_auprc",
    "de_auroc",
    "de_direction_match",
    "de_lfc_nmae",
    "de_lfc_spearman",
    "de_overlap",
    "de_precision",
    "de_sig_jaccard",
    "de_sig_recall",
]

_FEWEST = 10
_VANISHING = 1e-300


class Calls:
    """One perturbation's calls over the genes that count, made once for all metrics of differential expression."""

    def __init__(self, real: Contrast, pred: Contrast, *, row: int, kept: NDArray[np.int64]) -> None:
        self.is_real, self.is_pred = real.significant[row, kept], pred.significant[row, kept]
        self.real, self.pred = real.change[row, kept], pred.change[row, kept]
        self._p, self._size = pred.p[row, kept], pred.size[row, kept]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Place of each gene by predicted p, and by size where p is too small for a number; equal genes share one."""
        order = np.lexsort((-self._size, self._p))
        p, size = self._p[order], self._size[order]
        # Size decides among vanishing p alone: elsewhere equal p are equal.
        new = (np.diff(p) > 0) | ((p[1:] < _VANISHING) & (size[1:] != size[:-1]))
        out = np.empty(len(order), dtype=np.int64)
        out[order] = np.concatenate([[0], np.cumsum(new)])[: len(order)]
        return out

    @cached_property
    def _ranked(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Significant genes of the real and of the predicted side, the largest change first."""
        sides = ((self.is_real, self.real), (self.is_pred, self.pred))
        called = [np.flatnonzero(flags) for flags, _ in sides]
        first, second = (
            genes[np.argsort(-np.abs(change[genes]), kind="stable")]
            for genes, (_, change) in zip(called, sides, strict=True)
        )
        return first, second

    def shared(self, k: int) -> int:
        """Return how many of the k largest real calls are among the k largest predicted ones."""
        real, pred = self._ranked
        chosen = np.zeros(len(self.is_real), dtype=np.bool_)
        chosen[real[:k]] = True
        return int(chosen[pred[:k]].sum())


def calls(pair: Aligned) -> tuple[Calls, ...]:
    """Return the calls of each perturbation; empty where a side is unknown."""
    real, pred = pair.de_real, pair.de_pred
    if real is None or pred is None:
        return ()
    return tuple(Calls(real, pred, row=i, kept=np.flatnonzero(row)) for i, row in enumerate(pair.counted))


def _by_row(pair: Aligned, one: Callable[[Calls], float]) -> NDArray[np.float64]:
    if pair.de_real is None or pair.de_pred is None:
        return np.full(len(pair.true), np.nan)
    return np.array([one(row) for row in pair.calls], dtype=np.float64)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def de_auroc(pair: Aligned) -> NDArray[np.float64]:
    """P(p of a real gene < p of another) + ½ P(equal), by predicted p: area under the ROC curve; NaN where all or none is real."""

    def one(row: Calls) -> float:
        n_real = int(row.is_real.sum())
        n_other = len(row.is_real) - n_real
        if not n_real or not n_other:
            return np.nan
        placed = ranks(-row.places[None])[0]
        return float((placed[row.is_real].sum() - n_real * (n_real + 1) / 2) / (n_real * n_other))

    return _by_row(pair, one)


def de_auprc(pair: Aligned) -> NDArray[np.float64]:
    """Σ_k (recall_k − recall_{k−1}) · precision_k by predicted p: average precision; NaN where all or none is real."""

    def one(row: Calls) -> float:
        n_real = int(row.is_real.sum())
        if not n_real or n_real == len(row.is_real):
            return np.nan
        places = row.places
        order = np.argsort(places, kind="stable")
        hits = np.cumsum(row.is_real[order])
        # Genes of equal p enter together, so that their order decides nothing.
        last = np.append(np.diff(places[order]) > 0, True)
        hits, n_taken = hits[last], np.flatnonzero(last) + 1
        return float((np.diff(hits, prepend=0) / n_real * (hits / n_taken)).sum())

    return _by_row(pair, one)


def de_overlap(k: int | None) -> Compute:
    """Return |top_k(real) ∩ top_k(pred)| / k over significant genes by |change|, k = min(k, n_real); all of them for None."""

    def overlap(pair: Aligned) -> NDArray[np.float64]:
        def one(row: Calls) -> float:
            n = min(k or len(row.real), int(row.is_real.sum()))
            return _ratio(row.shared(n), n)

        return _by_row(pair, one)

    return overlap


def de_precision(k: int | None) -> Compute:
    """Return |top_k(real) ∩ top_k(pred)| / k over significant genes by |change|, k = min(k, n_pred); all of them for None."""

    def precision(pair: Aligned) -> NDArray[np.float64]:
        def one(row: Calls) -> float:
            n = min(k or len(row.real), int(row.is_pred.sum()))
            return _ratio(row.shared(n), n)

        return _by_row(pair, one)

    return precision


def de_sig_recall(pair: Aligned) -> NDArray[np.float64]:
    """|R ∩ P| / |R|, R and P the genes called on the real and the predicted side; NaN where R is empty."""
    return _by_row(pair, lambda row: _ratio(float((row.is_real & row.is_pred).sum()), float(row.is_real.sum())))


def de_sig_jaccard(pair: Aligned) -> NDArray[np.float64]:
    """|R ∩ P| / |R ∪ P|; 1 where both are empty, as in cell-eval2."""

    def one(row: Calls) -> float:
        union = float((row.is_real | row.is_pred).sum())
        return float((row.is_real & row.is_pred).sum()) / union if union else 1.0

    return _by_row(pair, one)


def de_direction_match(pair: Aligned) -> NDArray[np.float64]:
    """Share of the genes in R whose change has the right sign, a predicted 0 counting half; NaN where R is empty."""

    def one(row: Calls) -> float:
        signs = np.sign(row.real[row.is_real]) * np.sign(row.pred[row.is_real])
        return float((signs + 1).mean() / 2) if len(signs) else np.nan

    return _by_row(pair, one)


def de_lfc_spearman(pair: Aligned) -> NDArray[np.float64]:
    """Spearman correlation of predicted and real change over R; NaN for fewer than 10 genes or a constant side."""
    return _by_row(pair, lambda row: rho(row.real[row.is_real], row.pred[row.is_real], fewest=_FEWEST))


def de_lfc_nmae(pair: Aligned) -> NDArray[np.float64]:
    """Σ_R |pred − real| / Σ_R |real| of the changes; 1 for no change at all; NaN for fewer than 10 genes."""

    def one(row: Calls) -> float:
        real, pred = row.real[row.is_real], row.pred[row.is_real]
        return _ratio(float(np.abs(pred - real).sum()), float(np.abs(real).sum())) if len(real) >= _FEWEST else np.nan

    return _by_row(pair, one)
