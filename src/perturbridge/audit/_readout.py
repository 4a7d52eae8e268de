"""Reading a class from coordinates, on cells the probe was not fitted on, with every probe of the ladder."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtrit

from perturbridge.numerics import group_means

from ._auc import GroupedAuc, macro_auc
from ._classification import Classification, classify
from ._codes import joint
from ._permutation import seeds_of
from .probes._probe import ladder_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .probes._probe import Probe

__all__ = ["Reading", "Readout", "Task", "read_out"]

_SMALL = 3_000
_MOST_SHOWN = 40


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """What is to be read, from which cells, in which folds.

    Parameters
    ----------
    z
        `(n_cells, n_dims)`.
    codes
        Class of each cell `(n_cells,)`, `0 … n_classes − 1`.
    strata
        Pairs of cells are compared inside one stratum, and coordinates centred by it on training folds `(n_cells,)`.
    folds
        Fold in which each cell is read `(n_cells,)`.
    clusters
        Independent units where cells are not `(n_cells,)`, or None.
    probes
        Default the ladder that can be afforded for this many classes.
    """

    z: NDArray[np.float64]
    codes: NDArray[np.int64]
    strata: NDArray[np.int64]
    folds: NDArray[np.int64]
    clusters: NDArray[np.int64] | None = None
    probes: tuple[Probe, ...] | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.codes.max()) + 1

    @property
    def ladder(self) -> tuple[Probe, ...]:
        """The probes that are used."""
        return ladder_for(self.n_classes) if self.probes is None else self.probes


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading:
    """What one probe read.

    Parameters
    ----------
    probe
        Its name.
    auc
        Macro one-versus-rest AUC over pairs of one fold and stratum, with influences.
    standard_error
        Of the AUC, refitting of the probes included.
    low, high
        Lower bound that holds for all probes at once; upper bound of this one, what more cells would still add included.
    gain
        AUC less that of the same probe fitted on half the cells, 0 where it did not improve or was not tried.
    per_fold
        AUC of each fold.
    classification
        Accuracy and the like, and bits.
    scores
        Log-probabilities `(n_cells, n_classes)`.
    """

    probe: str
    auc: GroupedAuc
    standard_error: float
    low: float
    high: float
    gain: float
    per_fold: tuple[float, ...]
    classification: Classification
    scores: NDArray[np.float64]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types, scores left out."""
        return {
            "probe": self.probe,
            "auc": self.auc.value,
            "low": self.low,
            "high": self.high,
            "standard_error": self.standard_error,
            "gain": self.gain,
            "per_fold": list(self.per_fold),
            **self.classification.as_json(),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Readout:
    """What the ladder read.

    Parameters
    ----------
    task
        What was to be read.
    readings
        One per probe.
    p
        Of the strongest probe: twice the median over folds of the exact p-value of the largest standardized AUC, labels shuffled in
        strata of the fold; NaN where it was not asked for.
    n_pairs
        Pairs of cells compared.
    """

    task: Task
    readings: tuple[Reading, ...]
    p: float
    n_pairs: int

    @property
    def strongest(self) -> Reading:
        """The reading of greatest AUC."""
        return max(self.readings, key=lambda r: r.auc.value)

    @property
    def low(self) -> float:
        """Lower bound of the leak: the greatest of the probes' simultaneous lower bounds."""
        return max(r.low for r in self.readings)

    @property
    def high(self) -> float:
        """Upper bound of the leak: the greatest of the probes' upper bounds; below the tolerance only if each probe's is."""
        return max(r.high for r in self.readings)

    @property
    def inverted(self) -> Reading | None:
        """A probe that reads significantly below ½ where another does not read above it: the mark of over-erasure; else None."""
        lowest = min(self.readings, key=lambda r: r.auc.value)
        return lowest if lowest.auc.value + 3 * lowest.standard_error < 0.5 else None


def centred(task: Task, train: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Subtract each stratum's mean over training cells; a stratum without training cells gets the overall mean."""
    means, _ = group_means(task.z[train], task.strata[train], n_groups=int(task.strata.max()) + 1)
    return np.asarray(task.z - means[task.strata])


def read_out(task: Task, *, confidence: float, rng: np.random.Generator, n_permutations: int = 0) -> Readout:
    """Fit every probe on the other folds, read each fold, and bound what was read.

    The variance of a cross-fitted AUC at independence is twice that of one probe fitted elsewhere: each pair of folds enters both
    ways round (for a bilinear score exactly, and none of the ladder did worse in simulation). Standard errors therefore carry √2.

    Parameters
    ----------
    task
        What to read.
    confidence
        Of the bounds.
    rng
        Draws training subsamples, halves and shuffles.
    n_permutations
        Shuffles behind `p`; 0 for none.
    """
    ladder = task.ladder
    full = {probe.name: np.zeros((len(task.codes), task.n_classes)) for probe in ladder}
    half = {
        p.name: np.zeros((len(task.codes), task.n_classes))
        for p in ladder
        if p.name == "linear" or len(task.codes) <= _SMALL
    }
    for fold in np.unique(task.folds):
        test = task.folds == fold
        z = centred(task, ~test)
        rows = rng.permutation(np.flatnonzero(~test))
        for probe in ladder:
            kept = rows[: probe.max_cells]
            full[probe.name][test] = probe.scores(z[kept], task.codes[kept], z[test], n_classes=task.n_classes)
            if probe.name in half:
                some = kept[: max(len(kept) // 2, 2)]
                half[probe.name][test] = probe.scores(z[some], task.codes[some], z[test], n_classes=task.n_classes)
    groups = joint(task.folds, task.strata)
    readings = tuple(
        _reading(task, probe.name, full[probe.name], groups=groups, confidence=confidence, half=half.get(probe.name))
        for probe in ladder
    )
    p = _ladder_p(task, readings, n_permutations=n_permutations, rng=rng) if n_permutations else float("nan")
    return Readout(task=task, readings=readings, p=p, n_pairs=readings[0].auc.n_pairs)


def _quantile(level: float, freedom: float) -> float:
    """Of Student's t; the normal where there is no limit to its degrees of freedom, NaN where it has none."""
    if freedom <= 0:
        return float("nan")
    return float(ndtri(level) if np.isinf(freedom) else stdtrit(freedom, level))


def _reading(
    task: Task,
    name: str,
    scores: NDArray[np.float64],
    *,
    groups: NDArray[np.int64],
    confidence: float,
    half: NDArray[np.float64] | None,
) -> Reading:
    auc = macro_auc(scores, task.codes, groups)
    error = np.sqrt(2) * auc.standard_error
    freedom = np.inf
    if task.clusters is not None:
        error = max(error, auc.clustered_error(task.clusters))
        freedom = len(np.unique(task.clusters)) - 1
    gain = 0.0 if half is None else max(0.0, auc.value - macro_auc(half, task.codes, groups).value)
    wide = _quantile(1 - (1 - confidence) / len(task.ladder), freedom)
    narrow = _quantile(confidence, freedom)
    per_fold = []
    # One AUC per class and fold: of dozens of contexts nobody reads the table, and only held-out samples need its spread.
    for fold in np.unique(task.folds) if task.n_classes <= _MOST_SHOWN or task.clusters is not None else ():
        rows = task.folds == fold
        per_fold.append(macro_auc(scores[rows], task.codes[rows], groups[rows]).value)
    return Reading(
        probe=name,
        auc=auc,
        standard_error=float(error),
        low=max(0.0, auc.value - wide * error),
        high=min(1.0, auc.value + gain + narrow * error),
        gain=gain,
        per_fold=tuple(per_fold),
        classification=classify(scores, task.codes),
        scores=scores,
    )


def _ladder_p(task: Task, readings: tuple[Reading, ...], *, n_permutations: int, rng: np.random.Generator) -> float:
    from ._kernels import rank_sums

    p_values = []
    for fold in np.unique(task.folds):
        rows = np.flatnonzero(task.folds == fold)
        rows = rows[np.argsort(task.strata[rows], kind="stable")]
        strata, codes = task.strata[rows], task.codes[rows]
        starts = np.r_[0, np.flatnonzero(np.diff(strata)) + 1, len(rows)].astype(np.int64)
        weights = _pair_weights(codes, strata, task.n_classes)
        if not weights.any():
            continue
        ranks = np.stack([_ranks(r.scores[rows], starts) for r in readings], axis=1).astype(np.float32)
        drawn = rank_sums(ranks, codes.astype(np.int32), starts, weights, seeds_of(rng, n_permutations))
        spread = drawn.std(axis=0)
        largest = ((drawn - drawn.mean(axis=0)) / np.where(spread > 0, spread, np.inf)).max(axis=1)
        p_values.append((1 + (largest[1:] >= largest[0] - 1e-9).sum()) / (1 + n_permutations))
    # Twice the median of p-values is one, however they hang together; folds share their training cells.
    return min(1.0, 2 * float(np.median(p_values))) if p_values else float("nan")


def _ranks(scores: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ranks inside segments, of the score of each class; of two classes the difference stands for the second."""
    from scipy.stats import rankdata

    columns = scores if scores.shape[1] > 2 else np.stack([np.zeros(len(scores)), scores[:, 1] - scores[:, 0]], axis=1)
    out = np.empty(columns.shape)
    for first, stop in pairwise(starts):
        out[first:stop] = rankdata(columns[first:stop], axis=0)
    return out


def _pair_weights(codes: NDArray[np.int64], strata: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """1 / pairs of each class against the rest, 0 where there is none `(n_classes,)`."""
    table = np.zeros((int(strata.max()) + 1, n_classes))
    np.add.at(table, (strata, codes), 1)
    pairs = (table * (table.sum(axis=1, keepdims=True) - table)).sum(axis=0)
    return np.where(pairs > 0, 1 / np.maximum(pairs, 1), 0.0)
