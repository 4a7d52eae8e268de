"""What a careful referee would ask about a table of scores, asked before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perturbridge.values import Finding

from ._pivot import pivot
from ._ranks import rho
from ._table import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Effects, Prediction, ScoreTable

    from ._pivot import Pivot

__all__ = ["controls_differ", "referee", "targets_drive"]

_SAME = 0.01
_TARGETS = 0.05
_LITTLE = 1 / 3
_MANY = 10.0
_FOLLOWS = -0.5
_CONTROL_EXCESS = 2.0


def referee(
    table: ScoreTable, *, model: str, mean: str = "mean", prediction: Prediction | None = None
) -> tuple[Finding, ...]:
    """Warn of what would mislead a reader of one model's scores.

    * `metric_flip`: the mean of the training perturbations wins RMSE although the model tells perturbations apart better.
    * `systematic_variation`: Pearson against control is little more than the shift that all perturbations share.
    * `alike_predictions`: 99 % of the predicted Δ is the same for all perturbations.
    * `cells_drive_error`: RMSE follows the number of cells (Spearman below -0.5) and that number differs more than tenfold.

    Parameters
    ----------
    table
        Scores of the model and the baseline.
    model, mean
        Their names; without the baseline the first two questions are not asked.
    prediction
        The model's prediction, for the third.
    """
    scores = pivot(table)
    found = [_alike(prediction), _cells(table, model)]
    if mean in scores.models and model in scores.models:
        found = [_flip(scores, model, mean), _systematic(scores, model, mean), *found]
    return tuple(finding for finding in found if finding is not None)


def _mean(scores: Pivot, model: str, metric: str) -> float:
    if metric not in scores.metrics:
        return np.nan
    return float(scores.means()[scores.models.index(model), scores.metrics.index(metric)])


def _better(scores: Pivot, metric: str, *, first: str, second: str) -> bool:
    sign = 1 if METRICS[metric].higher_is_better else -1
    return sign * (_mean(scores, first, metric) - _mean(scores, second, metric)) > 0


def _flip(scores: Pivot, model: str, mean: str) -> Finding | None:
    told_apart = [m for m in ("pds_cosine", "pearson_delta_pert") if _better(scores, m, first=model, second=mean)]
    if not _better(scores, "rmse", first=mean, second=model) or not told_apart:
        return None
    message = (
        f"RMSE and discrimination disagree: the {mean} baseline has the lower RMSE ({_mean(scores, mean, 'rmse'):.4f} v "
        f"{_mean(scores, model, 'rmse'):.4f}), {model} is better on {' and '.join(told_apart)}. A conclusion from one of them alone "
        "would turn over with the other."
    )
    return Finding(level="warning", code="metric_flip", message=message)


def _systematic(scores: Pivot, model: str, mean: str) -> Finding | None:
    control, pert = (_mean(scores, model, m) for m in ("pearson_delta", "pearson_delta_pert"))
    shared = _mean(scores, mean, "pearson_delta")
    if not (control > 0.1 and pert < _LITTLE * control and shared > (1 - _LITTLE) * control):
        return None
    message = (
        f"Most of what {model} reaches against control ({control:.2f}) is the shift that all perturbations share: the {mean} baseline, "
        f"which knows nothing else, reaches {shared:.2f}, and against the mean of perturbations {model} has {pert:.2f}."
    )
    return Finding(level="warning", code="systematic_variation", message=message)


def _alike(prediction: Prediction | None) -> Finding | None:
    if prediction is None or len(prediction.perturbations) < 2:
        return None
    own = prediction.delta - prediction.delta.mean(axis=0)
    size = float((prediction.delta**2).sum())
    share = float((own**2).sum()) / size if size else 0.0
    if share >= _SAME:
        return None
    message = f"The predictions of {prediction.model} are nearly the same for all perturbations: only {share:.2%} of their size differs."
    return Finding(level="warning", code="alike_predictions", message=message, count=len(prediction.perturbations))


def _cells(table: ScoreTable, model: str) -> Finding | None:
    rows = (table.model == model) & (table.metric == "rmse") & np.isfinite(table.value)
    n, error = table.n_cells[rows], table.value[rows]
    if len(n) < 10 or n.min() < 1 or n.max() < _MANY * n.min() or np.ptp(error) == 0:
        return None
    found = rho(n, error)
    if found > _FOLLOWS:
        return None
    message = (
        f"RMSE follows the number of cells (Spearman {found:.2f}, {n.min():,} to {n.max():,} cells): it measures sampling noise. "
        "Read rmse_excess."
    )
    return Finding(level="warning", code="cells_drive_error", message=message, count=len(n))


def targets_drive(
    with_targets: ScoreTable,
    without: ScoreTable,
    *,
    model: str,
    metrics: Sequence[str] = ("pearson_delta", "pds_cosine"),
) -> tuple[Finding, ...]:
    """Warn where the perturbed genes' own change makes up a score: it is more than 0.05 better with them than without.

    Parameters
    ----------
    with_targets, without
        The same prediction scored with and without its target genes.
    model
        Its name.
    metrics
        Higher-is-better metrics to look at.
    """
    first, second = pivot(with_targets), pivot(without)
    out = []
    for metric in metrics:
        gain = _mean(first, model, metric) - _mean(second, model, metric)
        if gain > _TARGETS:
            message = f"{metric} of {model} would be {gain:.2f} higher with the perturbed genes' own change in it; it is scored without."
            out.append(Finding(level="warning", code="targets_drive_score", message=message))
    return tuple(out)


def controls_differ(submitted: NDArray[np.float64], effects: Effects, *, n_cells: int, model: str) -> Finding | None:
    """Warn where control cells that came with a prediction are not draws of the real controls; they are never used for a score.

    RMS over genes of the difference of means, above twice what sampling of as many cells gives.

    Parameters
    ----------
    submitted
        Mean of the submitted controls `(n_genes,)`, genes in the order of `effects`.
    effects
        What was measured, with its controls.
    n_cells
        Submitted control cells.
    model
        Name of the prediction.
    """
    table = effects.contexts
    if table is None:
        return None
    variance = (table.n_control / table.n_control.sum()) @ table.control_variance
    expected = float(np.sqrt((variance * (1 / max(n_cells, 1) + 1 / table.n_control.sum())).mean()))
    apart = float(np.sqrt(((submitted - effects.control_mean) ** 2).mean()))
    if apart <= _CONTROL_EXCESS * expected:
        return None
    message = (
        f"The {n_cells:,} control cells that came with {model} differ from the real ones by {apart:.3f} (RMS over genes; sampling alone "
        f"gives {expected:.3f}). Δ is taken against the real controls, so that this moves no score."
    )
    return Finding(level="warning", code="submitted_controls", message=message, count=n_cells)
