"""What the data allow: from a technical duplicate to what a perfect prediction would score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError
from perturbridge.numerics import bca_interval, bootstrap_means, sum_by_cluster

from ._pivot import mean_of_defined, pivot
from ._summary import check_resampling
from ._table import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from perturbridge.values import ScoreTable

    from ._metric import Metric
    from ._pivot import Pivot

    Array = NDArray[np.float64]

__all__ = ["DUPLICATE", "calibrate", "ceiling_column", "lift_of"]

DUPLICATE = "technical_duplicate"


def lift_of(metric: Metric) -> tuple[Callable[[Array], Array], str]:
    """Return how the mean score of a technical duplicate becomes a ceiling, and the name of that rule.

    A duplicate predicts one half of the cells by the other, so both sides are noisy; a perfect prediction has no noise and meets all
    cells. Chance stays chance under each rule, which the Spearman-Brown formula alone does not do to scores whose chance is ½.

    * chance ½: Φ(2 Φ⁻¹(x)). The distance between signal and noise doubles, since the halves carry four times the noise variance.
    * correlation: √(2r / (1 + r)), reliability of all cells by Spearman-Brown, then the correlation of truth with data; below 0 the root
      keeps the sign, so that chance stays chance on average too.
    * all others: the duplicate as it is, which a perfect prediction can surpass.
    """
    if metric.chance == 0.5:
        return lambda x: np.asarray(ndtr(2.0 * ndtri(np.clip(x, 1e-12, 1 - 1e-12))), dtype=np.float64), "halves"
    if metric.chance == 0.0:
        return _reach_of_halves, "halves"
    return lambda x: x, "duplicate"


def _reach_of_halves(r: Array) -> Array:
    size = np.abs(r)
    return np.asarray(np.sign(r) * np.sqrt(2.0 * size / (1.0 + size)), dtype=np.float64)


def ceiling_column(scores: Pivot, metric: str, *, model: int) -> tuple[Array, Callable[[Array], Array], str]:
    """Return, for one metric, values by perturbation whose mean becomes the ceiling, the rule for that, and where it comes from.

    The origin is `"data"` for a floor or ceiling computed from sampling noise, `"halves"`, `"duplicate"`, or empty where none is known.
    """
    fact, n = METRICS[metric], len(scores.perturbations)
    if fact.ceiling == "best":
        own = scores.value[:, model, scores.metrics.index(metric)]
        return np.where(np.isfinite(own), fact.best, np.nan), lambda x: x, "data"
    if fact.ceiling in scores.metrics:
        known = scores.value[:, model, scores.metrics.index(fact.ceiling)]
        if np.isfinite(known).any():
            return known, lambda x: x, "data"
    if DUPLICATE in scores.models:
        column = scores.weight[:, scores.models.index(DUPLICATE), scores.metrics.index(metric)]
        if np.isfinite(column).any():
            lift, origin = lift_of(fact)
            return column, lift, origin
    return np.full(n, np.nan), lambda x: x, ""


def calibrate(
    table: ScoreTable,
    *,
    negative: str,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Say of each metric what chance, a baseline, a technical duplicate and a perfect prediction score, and how well it tells them apart.

    DRF = (negative − duplicate) / (negative − best), the share of the way from a baseline that knows nothing of the single
    perturbation to a perfect score which the duplicate covers. BDS: share of perturbations where the duplicate beats that baseline,
    ties counting half. Both as in scPertEval (2026), with a baseline fitted on training rows. A metric whose DRF or BDS is low on this
    data cannot tell a good model from none.

    Parameters
    ----------
    table
        Scores that include a model called `technical_duplicate`.
    negative
        The baseline that knows nothing of the single perturbation, such as the training mean.
    n_resamples, confidence, seed
        Of the bootstrap behind the bounds of the ceiling.

    Returns
    -------
    pandas.DataFrame
        `metric`, `chance`, `negative`, `duplicate`, `ceiling`, `ceiling_low`, `ceiling_high`, `origin`, `drf`, `bds`, `n`.

    Raises
    ------
    DataError
        If the duplicate or the baseline was not scored.
    """
    check_resampling(n_resamples=n_resamples, confidence=confidence)
    scores = pivot(table)
    for name in (DUPLICATE, negative):
        if name not in scores.models:
            problem = f"{name!r} is not among the {len(scores.models)} scored models."
            raise DataError(
                problem, cure=f"Score it beside the others; there are {nearest_names(name, scores.models)}."
            )
    twin, low = scores.models.index(DUPLICATE), scores.models.index(negative)
    rows = []
    for j, name in enumerate(scores.metrics):
        fact = METRICS[name]
        if not fact.is_score:
            continue
        column, lift, origin = ceiling_column(scores, name, model=low)
        bounds = _lifted_interval(scores, column, lift, n_resamples=n_resamples, confidence=confidence, seed=seed)
        worse, better = scores.value[:, low, j], scores.value[:, twin, j]
        rows.append(
            {
                "metric": name,
                "chance": fact.chance,
                **dict(zip(("ceiling", "ceiling_low", "ceiling_high"), bounds, strict=True)),
                "origin": origin,
                **_discrimination(fact, worse, better),
            }
        )
    columns = ("metric", "chance", "negative", "duplicate", "ceiling", "ceiling_low", "ceiling_high", "origin", "drf")
    return pd.DataFrame(rows, columns=[*columns, "bds", "n"])


def _discrimination(fact: Metric, worse: Array, better: Array) -> dict[str, float]:
    both = np.isfinite(worse) & np.isfinite(better)
    if not both.any():
        return {"negative": np.nan, "duplicate": np.nan, "drf": np.nan, "bds": np.nan, "n": 0}
    low, high = float(worse[both].mean()), float(better[both].mean())
    gain = (better - worse)[both] * (1 if fact.higher_is_better else -1)
    room = low - fact.best
    return {
        "negative": low,
        "duplicate": high,
        "drf": (low - high) / room if room else np.nan,
        "bds": float(((np.sign(gain) + 1) / 2).mean()),
        "n": int(both.sum()),
    }


def _lifted_interval(
    scores: Pivot,
    column: Array,
    lift: Callable[[Array], Array],
    *,
    n_resamples: int,
    confidence: float,
    seed: int,
) -> tuple[float, float, float]:
    values = column[:, None]
    mean = mean_of_defined(values)
    drawn = bootstrap_means(values, n_resamples=n_resamples, seed=seed, clusters=scores.clusters)
    pull = sum_by_cluster(values - mean, scores.clusters)
    low, high = bca_interval(lift(mean), resamples=lift(drawn), influence=pull, confidence=confidence)
    return float(lift(mean)[0]), float(low[0]), float(high[0])
