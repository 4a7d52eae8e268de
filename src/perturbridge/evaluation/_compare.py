"""A model against its best baseline: paired differences, intervals, p-values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perturbridge._checks import nearest_names
from perturbridge._rng import spawn
from perturbridge.errors import DataError
from perturbridge.numerics import sign_flip_test

from ._pivot import pivot
from ._summary import check_resampling, mean_and_interval
from ._table import HEADLINE, METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import ScoreTable

    from ._pivot import Pivot

__all__ = ["best_of", "compare"]


def compare(
    table: ScoreTable,
    *,
    model: str | Sequence[str],
    baselines: Sequence[str] | None = None,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Paired difference between a model, or each of several, and, metric by metric, the best of its baselines.

    The best baseline is the one with the best mean on the same perturbations, so the model meets the strongest opponent in hindsight.
    Differences are taken per perturbation (its folds and repeats averaged first) and signed so that positive means the model is better.
    p is the two-sided sign-flip permutation p-value of the mean difference: exact up to 14 perturbations, else from `n_resamples` drawn
    sign patterns; no p can be smaller than `p_resolution`. Perturbations that target the same gene are drawn and flipped together.
    `p_holm` corrects over the headline metrics of all models at once and is NaN for the others, whose p-values are uncorrected.
    Undefined scores count as in `summarize`.

    Parameters
    ----------
    table
        Scores of the model and its baselines on the same perturbations and folds.
    model
        The model under test, or several.
    baselines
        Names in the table; default all that are not under test.
    n_resamples, confidence, seed
        Of the bootstrap and the sign flips.

    Returns
    -------
    pandas.DataFrame
        `metric`, `model`, `best_baseline`, `model_mean`, `baseline_mean`, `difference`, `low`, `high`, `p`, `p_holm`, `p_resolution`,
        `n` (pairs), `n_undefined` (scores of either). Metrics that describe the data (floors, ceilings) are left out; where a metric is
        undefined throughout, the baseline is empty and the numbers are NaN.

    Raises
    ------
    DataError
        If a name is not in the table, there is no baseline, or models were not scored on the same perturbations.
    """
    check_resampling(n_resamples=n_resamples, confidence=confidence)
    scores = pivot(table)
    tested = (model,) if isinstance(model, str) else tuple(dict.fromkeys(model))
    opponents = [name for name in scores.models if name not in tested] if baselines is None else list(baselines)
    frames = [
        _one(scores, name, opponents, n_resamples=n_resamples, confidence=confidence, seed=seed) for name in tested
    ]
    joined = pd.concat(frames, ignore_index=True)
    family = np.isin(joined["metric"].to_numpy(dtype=np.str_), HEADLINE)
    joined["p_holm"] = _holm(joined["p"].to_numpy(dtype=np.float64), family=family)
    return joined


def _one(
    scores: Pivot, model: str, baselines: Sequence[str], *, n_resamples: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Compare one model; `p_holm` is filled in when all are there."""
    ours, others = _competitors(scores, model=model, wanted=baselines)
    kept = [j for j, name in enumerate(scores.metrics) if METRICS[name].is_score]
    best = best_of(scores, others)
    means = scores.means()
    columns = np.arange(len(scores.metrics))
    weight = scores.weight
    opponent = np.where(best >= 0, weight[:, best, columns], np.nan)
    difference = (_signs(scores) * (weight[:, ours, :] - opponent))[:, kept]
    draws, flips = spawn(seed, 2)
    mean, low, high = mean_and_interval(
        difference, n_resamples=n_resamples, confidence=confidence, seed=draws, clusters=scores.clusters
    )
    p, resolution = sign_flip_test(difference, n_resamples=n_resamples, seed=flips, clusters=scores.clusters)
    metrics = [scores.metrics[j] for j in kept]
    return pd.DataFrame(
        {
            "metric": metrics,
            "model": model,
            "best_baseline": [scores.models[best[j]] if best[j] >= 0 else "" for j in kept],
            "model_mean": means[ours, kept],
            "baseline_mean": np.where(best >= 0, means[best, columns], np.nan)[kept],
            "difference": mean,
            "low": low,
            "high": high,
            "p": p,
            "p_holm": np.nan,
            "p_resolution": resolution,
            "n": np.isfinite(difference).sum(axis=0),
            "n_undefined": (scores.n_undefined[ours] + np.where(best >= 0, scores.n_undefined[best, columns], 0))[kept],
        }
    )


def _competitors(scores: Pivot, *, model: str, wanted: Sequence[str]) -> tuple[int, list[int]]:
    unknown = [name for name in (model, *wanted) if name not in scores.models]
    if unknown:
        problem = f"{unknown[0]!r} is not among the {len(scores.models)} scored models."
        raise DataError(problem, cure=f"Nearest names: {nearest_names(unknown[0], scores.models)}.")
    if not wanted or model in wanted:
        problem = f"{model!r} has no baseline but itself."
        raise DataError(problem, cure="Score a baseline on the same perturbations and join the tables.")
    ours, others = scores.models.index(model), [scores.models.index(name) for name in wanted]
    for other in others:
        apart = (scores.n_rows[:, ours] != scores.n_rows[:, other]).any(axis=1)
        if apart.any():
            first = scores.perturbations[int(np.argmax(apart))]
            problem = (
                f"{model!r} and {scores.models[other]!r} were scored differently on {int(apart.sum())} perturbations, "
                f"the first is {first}."
            )
            raise DataError(problem, cure="Score every model on the same perturbations, folds and metrics.")
    return ours, others


def _signs(scores: Pivot) -> NDArray[np.float64]:
    """1 for a metric whose higher values are better, -1 for the others `(n_metrics,)`."""
    return np.where([METRICS[name].higher_is_better for name in scores.metrics], 1.0, -1.0)


def best_of(scores: Pivot, among: Sequence[int]) -> NDArray[np.int64]:
    """Return the model with the best mean for each metric `(n_metrics,)`; -1 where none is defined, the first named of equals."""
    merit = _signs(scores) * scores.means()[list(among)]
    merit[np.isnan(merit)] = -np.inf
    best = np.array(among, dtype=np.int64)[merit.argmax(axis=0)]
    return np.where(np.isfinite(merit).any(axis=0), best, -1)


def _holm(p: NDArray[np.float64], *, family: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Step-down correction over the members of the family that have a p-value; NaN for all others."""
    out = np.full(p.shape, np.nan)
    members = np.flatnonzero(family & np.isfinite(p))
    order = members[np.argsort(p[members], kind="stable")]
    steps = len(order) - np.arange(len(order))
    out[order] = np.minimum(1.0, np.maximum.accumulate(steps * p[order]))
    return out
