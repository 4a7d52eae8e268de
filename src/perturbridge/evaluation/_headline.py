"""What a reader sees first: four metrics, and how far each model gets from the best baseline to what can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError
from perturbridge.numerics import bca_interval, bootstrap_means, sum_by_cluster

from ._ceiling import ceiling_column
from ._compare import best_of
from ._pivot import mean_of_defined, pivot
from ._summary import check_resampling, mean_and_interval
from ._table import HEADLINE, METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import ScoreTable

    from ._pivot import Pivot

    Array = NDArray[np.float64]

__all__ = ["headline"]

_SLOPE_STEP = 1e-5


def headline(
    table: ScoreTable,
    *,
    baselines: Sequence[str] = (),
    metrics: Sequence[str] = HEADLINE,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """(model − best baseline) / (ceiling − best baseline), on means over perturbations: the skill of each model.

    0 is the best baseline, 1 what a perfect prediction would reach on data with this sampling noise. The ceiling is 0 for `rmse_excess`
    and √reliability for correlations; for others it is extrapolated from a technical duplicate (`calibrate`) where one was scored.
    Where a prediction was averaged over cells, its skill is taken from the metric without their sampling noise (`Metric.denoised`) if
    that was scored: a model is not worse for having drawn few cells. `mean` is the plain score.

    Parameters
    ----------
    table
        Scores of one or more models on the same perturbations.
    baselines
        Which of the models are baselines; without them there is no skill.
    metrics
        Default: the four headline metrics.
    n_resamples, confidence, seed
        Of the bootstrap over perturbations.

    Returns
    -------
    pandas.DataFrame
        `model`, `metric`, `mean`, `low`, `high`, `n`, `n_undefined` as in `summarize`, then `best_baseline` (empty where there is none),
        `ceiling`, `ceiling_origin`, `skill`, `skill_low`, `skill_high`; NaN where the ceiling is unknown or not above the best baseline.

    Raises
    ------
    DataError
        If a baseline is not in the table, or the table holds none of the metrics.
    """
    check_resampling(n_resamples=n_resamples, confidence=confidence)
    scores = pivot(table)
    unknown = [name for name in baselines if name not in scores.models]
    shown = [name for name in metrics if name in scores.metrics]
    if unknown or not shown:
        problem = f"{unknown[0]!r} is not among the scored models." if unknown else "No headline metric was scored."
        close = nearest_names(unknown[0], scores.models) if unknown else ", ".join(repr(name) for name in metrics)
        raise DataError(problem, cure=f"Use {close}.")
    best = best_of(scores, [scores.models.index(name) for name in baselines]) if baselines else None
    pairs = [(m, scores.metrics.index(name)) for m in range(len(scores.models)) for name in shown]
    opponents = [-1 if best is None else int(best[j]) for _, j in pairs]
    triples = [_Triple(scores, model=m, metric=j, opponent=o) for (m, j), o in zip(pairs, opponents, strict=True)]
    own = np.stack([triple.own for triple in triples], axis=1)
    mean, low, high = mean_and_interval(
        own, n_resamples=n_resamples, confidence=confidence, seed=seed, clusters=scores.clusters
    )
    skill, skill_low, skill_high = _skill(triples, scores, n_resamples=n_resamples, confidence=confidence, seed=seed)
    return pd.DataFrame(
        {
            "model": [scores.models[m] for m, _ in pairs],
            "metric": [scores.metrics[j] for _, j in pairs],
            "mean": mean,
            "low": low,
            "high": high,
            "n": np.isfinite(own).sum(axis=0),
            "n_undefined": [int(scores.n_undefined[m, j]) for m, j in pairs],
            "best_baseline": [scores.models[o] if o >= 0 else "" for o in opponents],
            "ceiling": [triple.ceiling for triple in triples],
            "ceiling_origin": [triple.origin for triple in triples],
            "skill": skill,
            "skill_low": skill_low,
            "skill_high": skill_high,
        }
    )


class _Triple:
    """Value, best baseline's value and what the ceiling is made of, by perturbation `(n_perturbations, 3)`; NaN where there is none."""

    def __init__(self, scores: Pivot, *, model: int, metric: int, opponent: int) -> None:
        name = scores.metrics[metric]
        clean = METRICS[name].denoised
        self.own = scores.weight[:, model, metric]
        metric = scores.metrics.index(clean) if clean in scores.metrics else metric
        raw, self.lift, self.origin = ceiling_column(scores, name, model=model)
        self.sign = 1.0 if METRICS[name].higher_is_better else -1.0
        self.rows = np.full((len(scores.perturbations), 3), np.nan)
        self.rows[:, 0] = scores.weight[:, model, metric]
        if opponent >= 0:
            self.rows[:, 1] = scores.weight[:, opponent, metric]
        self.rows[:, 2] = raw
        self.ceiling = float(self.lift(mean_of_defined(raw[:, None]))[0])

    def skill(self, means: Array) -> Array:
        """(value − baseline) / (ceiling − baseline) from means `(…, 3)`; NaN where the ceiling is no better than the baseline."""
        value, baseline, top = self._parts(means)
        room = top - baseline
        out = np.full(room.shape, np.nan)
        np.divide(value - baseline, room, out=out, where=room > 0)
        return out

    def has_room(self, means: Array) -> NDArray[np.bool_]:
        """Say where the ceiling lies above the baseline."""
        _, baseline, top = self._parts(means)
        return np.asarray(top > baseline, dtype=np.bool_)

    def pull(self, rows: Array, means: Array) -> Array:
        """First-order change of the skill with the weight of each row, up to one factor."""
        value, baseline, top = self._parts(means)
        room = top - baseline
        skill = (value - baseline) / room if room > 0 else np.nan
        slope = _slope(self.lift, float(means[2]))
        steps = self.sign * (rows - means)
        return np.asarray(steps[:, 0] - steps[:, 1] - skill * (slope * steps[:, 2] - steps[:, 1]), dtype=np.float64)

    def _parts(self, means: Array) -> tuple[Array, Array, Array]:
        return self.sign * means[..., 0], self.sign * means[..., 1], self.sign * self.lift(means[..., 2])


def _slope(lift: Callable[[Array], Array], at: float) -> float:
    ends = lift(np.array([at - _SLOPE_STEP, at + _SLOPE_STEP]))
    return float((ends[1] - ends[0]) / (2 * _SLOPE_STEP))


def _skill(
    triples: Sequence[_Triple], scores: Pivot, *, n_resamples: int, confidence: float, seed: int
) -> tuple[Array, Array, Array]:
    """Return skill and its bounds `(n_columns,)`, over the perturbations where all three are known."""
    columns = np.stack([triple.rows for triple in triples], axis=1)
    complete = np.where(np.isfinite(columns).all(axis=2, keepdims=True), columns, np.nan)
    n = len(columns)
    means = mean_of_defined(complete)
    flat = bootstrap_means(complete.reshape(n, -1), n_resamples=n_resamples, seed=seed, clusters=scores.clusters)
    drawn = flat.reshape(-1, len(triples), 3)
    skill = np.array([triple.skill(means[j]) for j, triple in enumerate(triples)])
    pull = np.stack([triple.pull(complete[:, j], means[j]) for j, triple in enumerate(triples)], axis=1)
    resamples = np.stack([triple.skill(drawn[:, j]) for j, triple in enumerate(triples)], axis=1)
    low, high = bca_interval(
        skill, resamples=resamples, influence=sum_by_cluster(pull, scores.clusters), confidence=confidence
    )
    # Where resamples leave the baseline no room below the ceiling, a ratio says nothing.
    share = np.array([triple.has_room(drawn[:, j]).mean() for j, triple in enumerate(triples)])
    roomy = share >= (1 + confidence) / 2
    return skill, np.where(roomy, low, np.nan), np.where(roomy, high, np.nan)
