"""Means over perturbations with bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perturbridge._checks import one_of
from perturbridge.errors import DataError
from perturbridge.numerics import bca_interval, bootstrap_means, sum_by_cluster

from ._pivot import mean_of_defined, pivot, split_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import ScoreTable

    from ._pivot import Pivot

__all__ = ["check_resampling", "mean_and_interval", "summarize"]

_BY = ("stratum", "fold", "status")


def summarize(
    table: ScoreTable,
    *,
    by: str | None = None,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean over perturbations of each model and metric, with an interval.

    The folds and repeats of one perturbation are averaged first. An undefined score (a constant prediction has no correlation) counts
    as the chance value of the metric, ½ for discrimination and 0 for correlations, since a model that says nothing has earned nothing; it is
    counted in `n_undefined`. Metrics without a chance value (errors, floors, ceilings) average what is defined.
    Intervals are bias-corrected and accelerated bootstrap intervals over perturbations, those that target the same gene drawn
    together: they speak of other perturbations from the same screen, not of a model trained on another one. Where the perturbations of a
    panel compete (discrimination), each is drawn with what it does to the scores of the others.

    Parameters
    ----------
    table
        Scores of one or more models.
    by
        `"stratum"`, `"fold"` or `"status"`: one row per value of this column. Discrimination scores keep the panel they were made in.
    n_resamples, confidence, seed
        Of the bootstrap; all models and metrics share the draws.

    Returns
    -------
    pandas.DataFrame
        `model`, the column of `by`, `metric`, `mean`, `low`, `high`, `n` (perturbations behind the mean), `n_undefined` (scores).
        `low` and `high` are NaN for fewer than two perturbations without a gene in common.

    Raises
    ------
    DataError
        If the table is empty, holds a score twice, or an argument is out of range.
    """
    check_resampling(n_resamples=n_resamples, confidence=confidence)
    if by is None:
        return _frame(pivot(table), n_resamples=n_resamples, confidence=confidence, seed=seed)
    parts = []
    for level, part in split_by(table, one_of("by", by, _BY)):
        frame = _frame(pivot(part), n_resamples=n_resamples, confidence=confidence, seed=seed)
        frame.insert(1, by, level)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def check_resampling(*, n_resamples: int, confidence: float) -> None:
    """Refuse settings from which no interval can come.

    Raises
    ------
    DataError
        If there are fewer than 100 resamples, or the confidence is not between 0 and 1.
    """
    if n_resamples < 100 or not 0 < confidence < 1:
        problem = f"n_resamples is {n_resamples} and confidence {confidence}."
        raise DataError(problem, cure="Use at least 100 resamples, and a confidence between 0 and 1 such as 0.95.")


def mean_and_interval(
    values: NDArray[np.float64],
    *,
    n_resamples: int,
    confidence: float,
    seed: int | np.random.Generator,
    clusters: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the defined rows of each column of `(n_perturbations, n_columns)`, with the bounds of its interval.

    Where perturbations compete, pass `Pivot.weight`, whose mean is the same.
    """
    mean = mean_of_defined(values)
    resamples = bootstrap_means(values, n_resamples=n_resamples, seed=seed, clusters=clusters)
    influence = sum_by_cluster(values - mean, clusters)
    low, high = bca_interval(mean, resamples=resamples, influence=influence, confidence=confidence)
    return mean, low, high


def _frame(scores: Pivot, *, n_resamples: int, confidence: float, seed: int) -> pd.DataFrame:
    columns = scores.value.reshape(len(scores.perturbations), -1)
    _, low, high = mean_and_interval(
        scores.weight.reshape(columns.shape),
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
        clusters=scores.clusters,
    )
    return pd.DataFrame(
        {
            "model": np.repeat(np.array(scores.models, dtype=object), len(scores.metrics)),
            "metric": np.tile(np.array(scores.metrics, dtype=object), len(scores.models)),
            "mean": mean_of_defined(columns),
            "low": low,
            "high": high,
            "n": np.isfinite(columns).sum(axis=0),
            "n_undefined": scores.n_undefined.ravel(),
        }
    )
