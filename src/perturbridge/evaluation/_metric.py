"""What a metric is: one pure function on aligned profiles, and the facts about it as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan
from typing import TYPE_CHECKING, Literal

import numpy as np

from perturbridge._checks import FrozenMapping

from ._de import Calls, calls
from ._distances import Retrieval, retrieve
from ._profile import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ._welch import Contrast

    Cloud = NDArray[np.float64]

__all__ = ["LARGEST_TOP", "Aligned", "Family", "Metric", "Need", "Reference"]

LARGEST_TOP = 100

Reference = Literal["control", "training mean", "none"]
Family = Literal["error", "shape", "discrimination", "de", "distribution", "uncertainty", "coverage", "limit"]
Need = Literal["noise", "train_mean", "strength", "panel", "contrast", "rest", "bounds", "cells", "gene_sets"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Aligned:
    """Predicted and real Δ of the same perturbations and genes, with what metrics need to know about them.

    Parameters
    ----------
    pred, true
        Δ, log1p-CP10k, `(n_perturbations, n_genes)`.
    counted
        Which genes count for which row `(n_perturbations, n_genes)`.
    strength
        How far each real Δ stands out, |Δ| / standard error where that is known, else |Δ|; picks the top genes.
        `(n_perturbations, n_genes)`. It comes from the test profiles, so it is for scoring only.
    noise
        Sampling variance of the real Δ that no prediction can know `(n_perturbations, n_genes)`, or None.
    train_mean
        Mean Δ of the training perturbations `(n_genes,)`, or None.
    de_real, de_pred
        Differential expression of either side, or None.
    rest
        How far each gene of a perturbation stands out from all other perturbations, as a t-statistic `(n_perturbations, n_genes)`,
        or None. For scoring only.
    lower, upper, level
        Bounds of the prediction `(n_perturbations, n_genes)`, or None, and the coverage they were made for.
    reference_noise
        Sampling variance of `train_mean` beyond that of the controls `(n_genes,)`, or None.
    pred_noise
        Sampling variance of a predicted profile that was averaged over predicted cells `(n_perturbations, n_genes)`, or None.
    allowance
        How much of `pred_noise` is taken off, within bounds that a submission cannot widen; see `noise_allowance`.
    cells
        For each row real and predicted cells `(n_cells, n_dims)` in principal components, or None; empty where no cells are predicted.
    gene_sets
        Columns by name of the set `(n_genes,)`.
    """

    pred: NDArray[np.float64]
    true: NDArray[np.float64]
    counted: NDArray[np.bool_]
    strength: NDArray[np.float64]
    noise: NDArray[np.float64] | None = None
    train_mean: NDArray[np.float64] | None = None
    de_real: Contrast | None = None
    de_pred: Contrast | None = None
    rest: NDArray[np.float64] | None = None
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None
    level: float = 0.9
    reference_noise: NDArray[np.float64] | None = None
    pred_noise: NDArray[np.float64] | None = None
    allowance: NDArray[np.float64] | None = None
    cells: tuple[tuple[Cloud, Cloud] | None, ...] = ()
    gene_sets: Mapping[str, NDArray[np.bool_]] = field(default_factory=lambda: FrozenMapping({}))

    @classmethod
    def of(
        cls,
        pred: NDArray[np.floating],
        true: NDArray[np.floating],
        *,
        counted: NDArray[np.bool_] | None = None,
        noise: NDArray[np.floating] | None = None,
        train_mean: NDArray[np.floating] | None = None,
    ) -> Aligned:
        """Wrap two tables of profiles; every gene counts unless told otherwise, and |Δ| picks the top genes."""
        real = np.asarray(true, dtype=np.float64)
        return cls(
            pred=np.asarray(pred, dtype=np.float64),
            true=real,
            counted=np.ones(real.shape, dtype=np.bool_) if counted is None else np.asarray(counted, dtype=np.bool_),
            strength=np.abs(real),
            noise=None if noise is None else np.asarray(noise, dtype=np.float64),
            train_mean=None if train_mean is None else np.asarray(train_mean, dtype=np.float64),
        )

    def top(self, k: int) -> Aligned:
        """Return each row's `k` genes of greatest strength; all that count where there are fewer, and none of strength zero."""
        picked = self._strongest[:, :k]

        def gather(array: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.take_along_axis(array, picked, axis=1)

        strength = gather(self.strength)
        counted = np.take_along_axis(self.counted, picked, axis=1) & (strength > 0)
        return replace(
            self,
            pred=gather(self.pred),
            true=gather(self.true),
            counted=counted,
            strength=strength,
            noise=None,
            train_mean=None if self.train_mean is None else gather(np.broadcast_to(self.train_mean, self.true.shape)),
            de_real=None,
            de_pred=None,
            rest=None,
            lower=None,
            upper=None,
            reference_noise=None,
            pred_noise=None,
            allowance=None,
            gene_sets=FrozenMapping({}),
        )

    def within(self, genes: NDArray[np.bool_]) -> Aligned:
        """Return the same rows over these genes alone `(n_genes,)`, of predicted and real Δ."""
        return Aligned.of(self.pred[:, genes], self.true[:, genes], counted=self.counted[:, genes])

    def over(self, genes: NDArray[np.bool_]) -> Aligned:
        """Return the same rows with only these genes counting, `(n_genes,)` or `(n_perturbations, n_genes)`."""
        return replace(self, counted=self.counted & genes)

    @cached_property
    def _strongest(self) -> NDArray[np.int64]:
        """Columns of the strongest counted genes of each row, strongest first `(n_perturbations, up to LARGEST_TOP)`."""
        rank = np.where(self.counted, -self.strength, np.inf)
        n_kept = min(LARGEST_TOP, rank.shape[1])
        picked = np.argpartition(rank, n_kept - 1, axis=1)[:, :n_kept] if n_kept < rank.shape[1] else _columns(rank)
        order = np.argsort(np.take_along_axis(rank, picked, axis=1), axis=1, kind="stable")
        return np.take_along_axis(picked, order, axis=1)

    @cached_property
    def calls(self) -> tuple[Calls, ...]:
        """What is called significant on either side, by perturbation; many metrics read it. Empty where a side is unknown."""
        return calls(self)

    @cached_property
    def pred_profile(self) -> Profile:
        """Predicted Δ over the genes that count."""
        return Profile(self.pred, self.counted)

    @cached_property
    def true_profile(self) -> Profile:
        """Real Δ over the genes that count."""
        return Profile(self.true, self.counted)

    @cached_property
    def pred_against_mean(self) -> Profile:
        """Predicted Δ less the mean of the training perturbations, which must be known."""
        return Profile(self.pred, self.counted, less=self.train_mean)

    @cached_property
    def true_against_mean(self) -> Profile:
        """Real Δ less the mean of the training perturbations, which must be known."""
        return Profile(self.true, self.counted, less=self.train_mean)

    @cached_property
    def by_cosine(self) -> Retrieval:
        """Predictions that look for their real profile, by cosine distance."""
        return retrieve(self.pred, self.true, distance="cosine")

    @cached_property
    def by_euclid(self) -> Retrieval:
        """Predictions that look for their real profile, by Euclidean distance."""
        return retrieve(self.pred, self.true, distance="l2")

    @cached_property
    def by_blocks(self) -> Retrieval:
        """Predictions that look for their real profile, by sum of absolute differences."""
        return retrieve(self.pred, self.true, distance="l1")

    @cached_property
    def back_by_cosine(self) -> Retrieval:
        """Real profiles that look for their prediction, by cosine distance."""
        return retrieve(self.true, self.pred, distance="cosine")

    @cached_property
    def back_by_euclid(self) -> Retrieval:
        """Real profiles that look for their prediction, by Euclidean distance."""
        return retrieve(self.true, self.pred, distance="l2")


def _columns(array: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.broadcast_to(np.arange(array.shape[1], dtype=np.int64), array.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Metric:
    """A metric and the facts that tests, tables and plots read.

    Parameters
    ----------
    name
        As it stands in tables.
    title
        For people, with the gene set and the reference.
    compute
        `Aligned` ▸ one value per perturbation `(n_perturbations,)`; NaN where it is undefined.
    family
        `"error"`, `"shape"`, `"discrimination"`, `"de"`, `"distribution"`, `"uncertainty"`; `"coverage"`: right at `best`, wrong on
        either side of it; or `"limit"`: a property of the data that bounds another metric, the same for every model.
    best, worst
        Ends of the range, infinite where there is none; of a coverage its nominal level and the end farthest from it.
    chance
        What a prediction without information scores, NaN where there is no such value. An undefined score counts as this in means.
    symmetric
        Prediction and truth can be exchanged.
    degree
        Scaling prediction, truth and references by c > 0 scales the value by c to this power.
    pred_scale_free
        Scaling the prediction alone by c > 0 changes nothing.
    reference
        What both sides are differences from.
    unit
        Of the value, empty for a pure number.
    needs
        Fields of `Aligned` without which it is undefined: `"noise"`, `"train_mean"`, `"strength"`, `"contrast"` (differential expression of
        both sides), `"rest"`, `"bounds"`, `"cells"`, `"gene_sets"`; or `"panel"`: every perturbation at once, because they compete.
    ceiling
        The best that can be reached: the name of a metric of family `"limit"`, `"best"` where the best value itself can be, empty
        where it is not known.
    top
        It looks at so many genes at most; 0 for all that count.
    unbiased
        An estimate that may fall beyond `best` by chance, so that its mean does not.
    as_rival
        For a metric of a panel: the mean score of the others against each perturbation alone `(n_perturbations,)`.
    denoised
        Name of the metric that says the same without the sampling noise of predicted cells, from which skill is taken.
    counts_genes
        The number of genes is part of the estimate, so that a gene which stands twice counts twice.
    """

    name: str
    title: str
    compute: Callable[[Aligned], NDArray[np.float64]]
    family: Family
    best: float
    worst: float
    chance: float = nan
    symmetric: bool = False
    degree: int = 0
    pred_scale_free: bool = False
    reference: Reference = "none"
    unit: str = ""
    needs: tuple[Need, ...] = ()
    ceiling: str = ""
    top: int = 0
    unbiased: bool = False
    as_rival: Callable[[Aligned], NDArray[np.float64]] | None = None
    denoised: str = ""
    counts_genes: bool = False

    @property
    def is_score(self) -> bool:
        """True where a model can be better or worse than another."""
        return self.family not in ("limit", "coverage")

    @property
    def higher_is_better(self) -> bool:
        """Direction, from the ends of the range."""
        return self.best > self.worst
