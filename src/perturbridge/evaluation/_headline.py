"""What a reader sees first: four metrics, and how far each model gets from the best baseline to what can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError
from perturbridge.numerics import bca_interval, bootstrap_means

from ._compare import best_of
from ._pivot import mean_of_defined, pivot
from ._summary import check_resampling, mean_and_interval
from ._table import HEADLINE, METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import ScoreTable

    from ._pivot import Pivot

__all__ = ["headline"]


def headline(
    table: ScoreTable,
    *,
    baselines: Sequence[str] = (),
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """(model − best baseline) / (ceiling − best baseline), on means over perturbations, for the four headline metrics: their skill.

    0 is the best baseline, 1 what a perfect prediction would reach on data with this sampling noise. The ceiling is 0 for `rmse_excess`
    and √reliability for correlations; for discrimination it takes split halves and is not known here.

    Parameters
    ----------
    table
        Scores of one or more models on the same perturbations.
    baselines
        Which of the models are baselines; without them there is no skill.
    n_resamples, confidence, seed
        Of the bootstrap over perturbations.

    Returns
    -------
    pandas.DataFrame
        `model`, `metric`, `mean`, `low`, `high`, `n`, `n_undefined` as in `summarize`, then `best_baseline` (empty where there is none),
        `ceiling`, `skill`, `skill_low`, `skill_high`; NaN where the ceiling is unknown or not above the best baseline.

    Raises
    ------
    DataError
        If a baseline is not in the table, or the table holds no headline metric.
    """
    check_resampling(n_resamples=n_resamples, confidence=confidence)
    scores = pivot(table)
    unknown = [name for name in baselines if name not in scores.models]
    shown = [name for name in HEADLINE if name in scores.metrics]
    if unknown or not shown:
        problem = f"{unknown[0]!r} is not among the scored models." if unknown else "No headline metric was scored."
        close = nearest_names(unknown[0], scores.models) if unknown else ", ".join(repr(name) for name in HEADLINE)
        raise DataError(problem, cure=f"Use {close}.")
    best = best_of(scores, [scores.models.index(name) for name in baselines]) if baselines else None
    pairs = [(m, scores.metrics.index(name)) for m in range(len(scores.models)) for name in shown]
    opponents = [-1 if best is None else int(best[j]) for _, j in pairs]
    columns = np.stack(
        [_columns(scores, model=m, metric=j, opponent=o) for (m, j), o in zip(pairs, opponents, strict=True)], axis=1
    )
    mean, low, high = mean_and_interval(columns[..., 0], n_resamples=n_resamples, confidence=confidence, seed=seed)
    sign = np.array([1.0 if METRICS[scores.metrics[j]].higher_is_better else -1.0 for _, j in pairs])
    skill, skill_low, skill_high = _skill(
        columns * sign[:, None], n_resamples=n_resamples, confidence=confidence, seed=seed
    )
    return pd.DataFrame(
        {
            "model": [scores.models[m] for m, _ in pairs],
            "metric": [scores.metrics[j] for _, j in pairs],
            "mean": mean,
            "low": low,
            "high": high,
            "n": np.isfinite(columns[..., 0]).sum(axis=0),
            "n_undefined": [int(scores.n_undefined[m, j]) for m, j in pairs],
            "best_baseline": [scores.models[o] if o >= 0 else "" for o in opponents],
            "ceiling": mean_of_defined(columns[..., 2]),
            "skill": skill,
            "skill_low": skill_low,
            "skill_high": skill_high,
        }
    )


def _columns(scores: Pivot, *, model: int, metric: int, opponent: int) -> NDArray[np.float64]:
    """Return value, best baseline's value and ceiling of each perturbation `(n_perturbations, 3)`; NaN where there is none."""
    fact = METRICS[scores.metrics[metric]]
    out = np.full((len(scores.perturbations), 3), np.nan)
    out[:, 0] = scores.value[:, model, metric]
    if opponent >= 0:
        out[:, 1] = scores.value[:, opponent, metric]
    if fact.ceiling == "best":
        out[:, 2] = np.where(np.isfinite(out[:, 0]), fact.best, np.nan)
    elif fact.ceiling in scores.metrics:
        out[:, 2] = scores.value[:, model, scores.metrics.index(fact.ceiling)]
    return out


def _ratio(triple: NDArray[np.float64]) -> NDArray[np.float64]:
    """(value − baseline) / (ceiling − baseline) over the last axis; NaN where the ceiling is no better than the baseline."""
    room = triple[..., 2] - triple[..., 1]
    out = np.full(room.shape, np.nan)
    np.divide(triple[..., 0] - triple[..., 1], room, out=out, where=room > 0)
    return out


def _skill(
    columns: NDArray[np.float64], *, n_resamples: int, confidence: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return skill and its bounds from `(n_perturbations, n_columns, 3)`, higher being better, over the perturbations where all three are known."""
    n, n_columns, _ = columns.shape
    complete = np.where(np.isfinite(columns).all(axis=2, keepdims=True), columns, np.nan)
    means = mean_of_defined(complete)
    drawn = bootstrap_means(complete.reshape(n, -1), n_resamples=n_resamples, seed=seed).reshape(-1, n_columns, 3)
    skill = _ratio(means)
    pull = complete[..., 0] - complete[..., 1] - skill * (complete[..., 2] - complete[..., 1])
    low, high = bca_interval(skill, resamples=_ratio(drawn), influence=pull, confidence=confidence)
    # Where resamples leave the baseline no room below the ceiling, a ratio says nothing.
    roomy = (drawn[..., 2] > drawn[..., 1]).mean(axis=0) >= (1 + confidence) / 2
    return skill, np.where(roomy, low, np.nan), np.where(roomy, high, np.nan)
