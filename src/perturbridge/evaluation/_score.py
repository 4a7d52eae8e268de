"""Scoring: one prediction against the real effects, perturbation by perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError, LeakageError
from perturbridge.values import ScoreTable, as_names

from ._metric import Aligned
from ._noise import strength, train_weights, unforeseeable_variance
from ._table import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from perturbridge.values import Effects, PerturbationName, Prediction

    from ._metric import Metric

__all__ = ["metrics_named", "score"]

_BLOCK_ENTRIES = 1 << 20


def score(
    prediction: Prediction,
    effects: Effects,
    *,
    train: Sequence[PerturbationName],
    fold: str = "",
    strata: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    exclude_targets: bool = True,
    split_hash: str = "",
) -> ScoreTable:
    """Compare predicted with real Δ, perturbation by perturbation.

    Rows and genes are matched by name. The training reference is the unweighted mean Δ of `train` and of nothing else. Genes are
    taken in the order of their names, so that the order in either table decides nothing.

    Parameters
    ----------
    prediction
        Predicted Δ of measured perturbations, over the measured genes in any order.
    effects
        Real Δ of the predicted and the training perturbations, with variances where noise floors are wanted.
    train
        Perturbations the model was fitted on.
    fold
        Name of the fold, copied into the table.
    strata
        One label per predicted perturbation, or none.
    metrics
        Names from `METRICS`; default all.
    exclude_targets
        Leave each perturbation's own target genes out of its error and shape scores, and every target of the predicted
        perturbations out of discrimination scores.
    split_hash
        Of the split the fold belongs to; default: that of the prediction.

    Returns
    -------
    ScoreTable
        Perturbation by perturbation, metrics in the order of the table. A score is NaN where it is undefined.

    Raises
    ------
    DataError
        If the genes differ, a perturbation was not measured, there is nothing to score or train on, or a metric is not known.
    LeakageError
        If a predicted perturbation is among the training ones, or the prediction was made on another split.
    """
    chosen = metrics_named(metrics)
    training = as_names(train)
    _check(prediction, effects, train=training, split_hash=split_hash)
    n = len(prediction.perturbations)
    if strata and len(strata) != n:
        problem = f"{len(strata)} strata for {n} predicted perturbations."
        raise DataError(problem, cure="Give one stratum per perturbation, or none.")
    both = _join(prediction, effects, exclude_targets=exclude_targets)
    values = both.values(chosen, train=effects.take(training))

    def repeated(labels: Sequence[object]) -> NDArray[np.str_]:
        return np.repeat(np.array([str(label) for label in labels]), len(chosen))

    return ScoreTable(
        model=repeated([prediction.model] * n),
        fold=repeated([fold] * n),
        perturbation=repeated(prediction.perturbations),
        stratum=repeated(strata or [""] * n),
        metric=np.tile(np.array([metric.name for metric in chosen]), n),
        status=repeated(prediction.status),
        value=values.ravel(),
        n_cells=np.repeat(effects.n_cells[both.rows], len(chosen)),
        split_hash=split_hash or prediction.split_hash,
    )


def metrics_named(names: Sequence[str] | None) -> tuple[Metric, ...]:
    """Return these metrics in the order of the table; all for None.

    Raises
    ------
    DataError
        If a name is not in the table.
    """
    if names is None:
        return tuple(METRICS.values())
    unknown = sorted(set(names) - set(METRICS))
    if unknown or not names:
        problem = f"{unknown[0]!r} is not a metric." if unknown else "The list of metrics is empty."
        close = nearest_names(unknown[0] if unknown else "", list(METRICS))
        raise DataError(problem, cure=f"Use {close}, or leave metrics out for all {len(METRICS)}.")
    return tuple(metric for name, metric in METRICS.items() if name in names)


def _check(prediction: Prediction, effects: Effects, *, train: tuple[PerturbationName, ...], split_hash: str) -> None:
    if not prediction.perturbations or not train:
        problem = f"{len(prediction.perturbations)} predicted and {len(train)} training perturbations."
        raise DataError(problem, cure="Score at least one perturbation, and name those the model was trained on.")
    if split_hash and prediction.split_hash and split_hash != prediction.split_hash:
        problem = f"The prediction was made on split {prediction.split_hash[:12]}, not on {split_hash[:12]}."
        raise LeakageError(problem, cure="Fit and score on one split.")
    fitted = [name for name, seen in zip(prediction.perturbations, prediction.in_training, strict=True) if seen]
    if fitted:
        problem = f"{prediction.model!r} was fitted on {len(fitted)} of {len(prediction.perturbations)} predicted perturbations, the first is {fitted[0]}."
        raise LeakageError(
            problem, cure="Score held-out perturbations only: cross_validate, or the predictions.h5ad of a run."
        )
    leaked = sorted(set(prediction.perturbations) & set(train))
    if leaked:
        problem = f"{len(leaked)} of {len(prediction.perturbations)} predicted perturbations were trained on, the first is {leaked[0]}."
        raise LeakageError(problem, cure="Score held-out perturbations only.")
    apart = sorted(set(prediction.genes) ^ set(effects.genes))
    if apart:
        common = len(set(prediction.genes) & set(effects.genes))
        problem = (
            f"{len(prediction.genes)} predicted and {len(effects.genes)} measured genes have {common} in common; "
            f"the first of {len(apart)} others is {apart[0]!r}."
        )
        raise DataError(problem, cure="Predict exactly the measured genes, named as in the screen.")


@dataclass(frozen=True, eq=False)
class _Joined:
    """A prediction and the real effects, with how rows and genes match; genes in the order of their names."""

    prediction: Prediction
    effects: Effects
    rows: NDArray[np.int64]
    pred_genes: NDArray[np.int64]
    real_genes: NDArray[np.int64]
    target: NDArray[np.bool_]

    def values(self, metrics: Sequence[Metric], *, train: Effects) -> NDArray[np.float64]:
        """Return every metric of every row `(n_perturbations, n_metrics)`."""
        out = np.full((len(self.rows), len(metrics)), np.nan)
        together = [j for j, metric in enumerate(metrics) if "panel" in metric.needs]
        alone = [j for j in range(len(metrics)) if j not in together]
        for rows, pair in self.blocks(train) if alone else ():
            for j in alone:
                out[rows, j] = metrics[j].compute(pair)
        if together:
            panel = self.panel()
            for j in together:
                out[:, j] = metrics[j].compute(panel)
        return out

    def blocks(self, train: Effects) -> Iterator[tuple[slice, Aligned]]:
        """Yield consecutive rows with all that error and shape metrics need."""
        train_mean, weights = train.delta.mean(axis=0)[self.real_genes], train_weights(train)
        names = self.prediction.perturbations
        step = max(1, _BLOCK_ENTRIES // max(1, len(self.real_genes)))
        for start in range(0, len(names), step):
            rows = slice(start, start + step)
            real = self.effects.take(names[rows])
            noise = unforeseeable_variance(real, weights=weights)
            yield (
                rows,
                Aligned(
                    pred=self.prediction.delta[rows][:, self.pred_genes],
                    true=real.delta[:, self.real_genes],
                    counted=~self.target[rows],
                    strength=strength(real)[:, self.real_genes],
                    noise=None if noise is None else noise[:, self.real_genes],
                    train_mean=train_mean,
                ),
            )

    def panel(self) -> Aligned:
        """Return all rows over the genes that none of them targets."""
        kept = ~self.target.any(axis=0)
        return Aligned.of(
            self.prediction.delta[:, self.pred_genes[kept]],
            self.effects.delta[np.ix_(self.rows, self.real_genes[kept])],
        )


def _join(prediction: Prediction, effects: Effects, *, exclude_targets: bool) -> _Joined:
    names = prediction.perturbations
    place = {gene: i for i, gene in enumerate(sorted(effects.genes))}
    target = np.zeros((len(names), len(place)), dtype=np.bool_)
    if exclude_targets:
        hits = [(i, place[gene]) for i, name in enumerate(names) for gene in name.genes if gene in place]
        if hits:
            target[tuple(np.array(hits).T)] = True
    return _Joined(
        prediction=prediction,
        effects=effects,
        rows=effects.rows(names),
        pred_genes=np.array(sorted(range(len(place)), key=prediction.genes.__getitem__), dtype=np.int64),
        real_genes=np.array(sorted(range(len(place)), key=effects.genes.__getitem__), dtype=np.int64),
        target=target,
    )
