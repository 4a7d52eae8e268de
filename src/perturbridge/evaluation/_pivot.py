"""From the long table to one value per perturbation, model and metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perturbridge.errors import DataError

from ._clusters import gene_clusters
from ._score import metrics_named
from ._table import METRICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perturbridge.values import ScoreTable

__all__ = ["Pivot", "mean_of_defined", "pivot", "split_by"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pivot:
    """Scores by perturbation, averaged over its folds and repeats, so that these stay together when perturbations are drawn.

    Parameters
    ----------
    models, metrics, perturbations
        Axes; metrics in the order of the table, the others as they first came.
    value
        `(n_perturbations, n_models, n_metrics)`; NaN where nothing is defined. An undefined score counts as the metric's chance value
        where it has one.
    rivalry
        What a perturbation does to the mean as a competitor of the others, above what the average one of its panel does, of the same shape;
        0 where each is scored alone.
    n_undefined
        Undefined scores before that `(n_models, n_metrics)`.
    n_rows
        Scores, defined or not, `(n_perturbations, n_models, n_metrics)`; the same for all models where they were scored alike.
    """

    models: tuple[str, ...]
    metrics: tuple[str, ...]
    perturbations: tuple[str, ...]
    value: NDArray[np.float64]
    rivalry: NDArray[np.float64]
    n_undefined: NDArray[np.int64]
    n_rows: NDArray[np.int64]

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """Perturbations that share a gene hang together `(n_perturbations, most)`; see `gene_clusters`."""
        return gene_clusters(self.perturbations)

    @property
    def weight(self) -> NDArray[np.float64]:
        """What resampling must draw for an interval of the mean of `value`: a perturbation's score and what it does to the others.

        For a mean over pairs, as discrimination scores are, this is the first-order part of each perturbation (Hoeffding 1948).
        """
        return self.value + self.rivalry

    def means(self) -> NDArray[np.float64]:
        """Mean over the perturbations where it is defined `(n_models, n_metrics)`; NaN where it is nowhere."""
        return mean_of_defined(self.value)


def mean_of_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis where it is defined; NaN where it is nowhere."""
    defined = np.isfinite(values)
    n = defined.sum(axis=0)
    out = np.full(n.shape, np.nan)
    np.divide(np.where(defined, values, 0.0).sum(axis=0), n, out=out, where=n > 0)
    return out


def pivot(table: ScoreTable) -> Pivot:
    """Average the scores of each perturbation, model and metric.

    Raises
    ------
    DataError
        If the table is empty, names an unknown metric, or holds a score twice.
    """
    if not len(table.value):
        problem = "The score table is empty."
        raise DataError(problem, cure="Score at least one prediction.")
    metric_code, found = _codes(table.metric)
    metrics = tuple(metric.name for metric in metrics_named(found))
    metric_code = np.array([metrics.index(name) for name in found])[metric_code]
    model_code, models = _codes(table.model)
    row_code, perturbations = _codes(table.perturbation)
    fold_code, folds = _codes(table.fold)
    shape = (len(perturbations), len(models), len(metrics))
    cell = np.ravel_multi_index((row_code, model_code, metric_code), shape)
    _check_once(cell * len(folds) + fold_code, table)
    undefined = np.isnan(table.value)
    chance = np.array([METRICS[name].chance for name in metrics])
    filled = np.where(undefined, chance[metric_code], table.value)
    known = np.isfinite(filled)
    size = int(np.prod(shape))
    total = np.bincount(cell[known], weights=filled[known], minlength=size)
    count = np.bincount(cell[known], minlength=size)
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    column = np.ravel_multi_index((model_code, metric_code), shape[1:])
    return Pivot(
        models=models,
        metrics=metrics,
        perturbations=perturbations,
        value=mean.reshape(shape),
        rivalry=_rivalry(table.as_rival, cell=cell, panel=column * len(folds) + fold_code, size=size).reshape(shape),
        n_undefined=np.bincount(column[undefined], minlength=size // shape[0]).reshape(shape[1:]),
        n_rows=np.bincount(cell, minlength=size).reshape(shape),
    )


def _rivalry(
    as_rival: NDArray[np.float64], *, cell: NDArray[np.int64], panel: NDArray[np.int64], size: int
) -> NDArray[np.float64]:
    """Average the folds of each perturbation, every panel centered on its own mean."""
    known = np.isfinite(as_rival)
    cell, panel, rival = cell[known], panel[known], as_rival[known]
    out = np.zeros(size)
    if not len(rival):
        return out
    center = np.bincount(panel, weights=rival) / np.maximum(np.bincount(panel), 1)
    count = np.bincount(cell, minlength=size)
    np.divide(np.bincount(cell, weights=rival - center[panel], minlength=size), count, out=out, where=count > 0)
    return out


def split_by(table: ScoreTable, column: str) -> list[tuple[str, ScoreTable]]:
    """Return the table of each value of a column, in the order they first come."""
    codes, levels = _codes(getattr(table, column))
    return [(level, _rows(table, codes == i)) for i, level in enumerate(levels)]


def _rows(table: ScoreTable, wanted: NDArray[np.bool_]) -> ScoreTable:
    columns: dict[str, Any] = {name: column[wanted] for name, column in table.columns().items()}
    return replace(table, **columns)


def _codes(labels: NDArray[np.str_]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    codes, levels = pd.factorize(np.asarray(labels).astype(object))
    return codes.astype(np.int64), tuple(str(level) for level in levels)


def _check_once(keys: NDArray[np.int64], table: ScoreTable) -> None:
    _, first = np.unique(keys, return_index=True)
    if len(first) < len(keys):
        i = int(np.setdiff1d(np.arange(len(keys)), first)[0])
        where = f"{table.metric[i]} of {table.model[i]} for {table.perturbation[i]} in fold {str(table.fold[i])!r}"
        problem = f"{len(keys) - len(first)} scores stand twice, the first is {where}."
        raise DataError(problem, cure="Give each repeat its own fold name, and join each table once.")
