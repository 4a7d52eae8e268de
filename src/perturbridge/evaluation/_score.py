"""Scoring: one prediction against the real effects, perturbation by perturbation."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import nearest_names
from perturbridge.errors import DataError, LeakageError
from perturbridge.values import Effects, ScoreTable, as_names

from ._metric import Aligned
from ._noise import noise_allowance
from ._real import Measured
from ._table import ALIASES, METRICS
from ._welch import PredictedCells, contrast_of_cells, contrast_of_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from perturbridge.values import PerturbationName, Prediction

    from ._metric import Metric
    from ._real import MeasuredBlock
    from ._welch import Contrast


__all__ = ["Scorer", "metrics_named", "score"]


class Scorer:
    """What was measured, prepared once for any number of models that predict the same perturbations.

    Parameters
    ----------
    effects
        Real Δ of the predicted and the training perturbations, with variances where noise floors and significant genes are wanted.
    perturbations
        Those that are predicted.
    train
        Perturbations the models were fitted on; None where that is not known, which leaves out all that is compared with their mean.
        Effects where the models were fitted on other cells, such as those of other contexts: then a perturbation may stand on both
        sides, and the controls of the scored side are as new to a model as its cells.
    exclude_targets
        Leave each perturbation's own target genes out of its scores, and every target of the predicted perturbations out of
        discrimination scores.
    contrast
        Differential expression of `perturbations`, in this order and with the genes of `effects`, such as that of `contrast_of_ranks`;
        default: Welch's test.

    Raises
    ------
    DataError
        If a perturbation was not measured, there is nothing to score or to train on, or the genes of the two sides differ.
    LeakageError
        If a predicted perturbation is among the training ones and its cells are the same.
    """

    def __init__(
        self,
        effects: Effects,
        perturbations: Sequence[str | PerturbationName],
        *,
        train: Sequence[str | PerturbationName] | Effects | None,
        exclude_targets: bool = True,
        contrast: Contrast | None = None,
    ) -> None:
        elsewhere = train if isinstance(train, Effects) else None
        names = as_names(perturbations)
        training = as_names(train or ()) if not isinstance(train, Effects) else train.perturbations
        if not names or (train is not None and not training):
            problem = f"{len(names)} predicted and {len(training)} training perturbations."
            raise DataError(problem, cure="Score at least one perturbation, and name those the model was trained on.")
        if elsewhere is None:
            _check_apart(names, training)
        elif elsewhere.genes != effects.genes:
            problem = f"The training side has {len(elsewhere.genes)} genes, the scored one {len(effects.genes)}, or in another order."
            raise DataError(problem, cure="Sum both sides from one screen.")
        effects.rows(names)
        self._measured = Measured(
            effects=effects,
            perturbations=names,
            train=effects.take(training) if elsewhere is None else elsewhere,
            exclude_targets=exclude_targets,
            contrast=contrast,
            elsewhere=elsewhere is not None,
        )

    def score(
        self,
        prediction: Prediction,
        *,
        fold: str = "",
        strata: Sequence[str] = (),
        metrics: Sequence[str] | None = None,
        split_hash: str = "",
        cells: PredictedCells | None = None,
        level: float = 0.9,
    ) -> ScoreTable:
        """Compare one prediction with what was measured.

        Parameters
        ----------
        prediction, fold, strata, metrics, split_hash
            As in `score`; the rows of the prediction may stand in any order.
        cells
            What predicted cells add to their means: calls of their own, sampling noise, and clouds for distributional metrics.
        level
            Coverage that the prediction's bounds were made for.
        """
        chosen = metrics_named(metrics)
        _check(prediction, self._measured, split_hash=split_hash)
        n = len(prediction.perturbations)
        if strata and len(strata) != n:
            problem = f"{len(strata)} strata for {n} predicted perturbations."
            raise DataError(problem, cure="Give one stratum per perturbation, or none.")
        sides = _Sides(self._measured, prediction, cells=cells, level=level)
        values, rivals = sides.values(chosen)
        n_cells = self._measured.effects.n_cells[self._measured.effects.rows(prediction.perturbations)]

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
            n_cells=np.repeat(n_cells, len(chosen)),
            as_rival=rivals.ravel(),
            split_hash=split_hash or prediction.split_hash,
        )


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
        Names from `METRICS` or `ALIASES`; default all.
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
    scorer = Scorer(effects, prediction.perturbations, train=train, exclude_targets=exclude_targets)
    return scorer.score(prediction, fold=fold, strata=strata, metrics=metrics, split_hash=split_hash)


def _check_apart(names: Sequence[PerturbationName], training: Sequence[PerturbationName]) -> None:
    leaked = sorted(set(names) & set(training))
    if leaked:
        problem = f"{len(leaked)} of {len(names)} predicted perturbations were trained on, the first is {leaked[0]}."
        raise LeakageError(problem, cure="Score held-out perturbations only.")


def metrics_named(names: Sequence[str] | None) -> tuple[Metric, ...]:
    """Return these metrics in the order of the table; all for None.

    Raises
    ------
    DataError
        If a name is not in the table.
    """
    if names is None:
        return tuple(METRICS.values())
    wanted = {ALIASES.get(name, name) for name in names}
    unknown = sorted(wanted - set(METRICS))
    if unknown or not names:
        problem = f"{unknown[0]!r} is not a metric." if unknown else "The list of metrics is empty."
        close = nearest_names(unknown[0] if unknown else "", list(METRICS))
        raise DataError(problem, cure=f"Use {close}, or leave metrics out for all {len(METRICS)}.")
    return tuple(metric for name, metric in METRICS.items() if name in wanted)


def _check(prediction: Prediction, measured: Measured, *, split_hash: str) -> None:
    if split_hash and prediction.split_hash and split_hash != prediction.split_hash:
        problem = f"The prediction was made on split {prediction.split_hash[:12]}, not on {split_hash[:12]}."
        raise LeakageError(problem, cure="Fit and score on one split.")
    fitted = [name for name, seen in zip(prediction.perturbations, prediction.in_training, strict=True) if seen]
    if fitted and not measured.elsewhere:
        problem = f"{prediction.model!r} was fitted on {len(fitted)} of {len(prediction.perturbations)} predicted perturbations, the first is {fitted[0]}."
        raise LeakageError(
            problem, cure="Score held-out perturbations only: cross_validate, or the predictions.h5ad of a run."
        )
    others = set(prediction.perturbations) ^ set(measured.perturbations)
    if others:
        problem = (
            f"{prediction.model!r} and the panel differ in {len(others)} perturbations, the first is {min(others)}."
        )
        raise DataError(problem, cure="Predict exactly the perturbations to be scored.")
    genes = measured.effects.genes
    apart = sorted(set(prediction.genes) ^ set(genes))
    if apart:
        common = len(set(prediction.genes) & set(genes))
        problem = (
            f"{len(prediction.genes)} predicted and {len(genes)} measured genes have {common} in common; "
            f"the first of {len(apart)} others is {apart[0]!r}."
        )
        raise DataError(problem, cure="Predict exactly the measured genes, named as in the screen.")


class _Sides:
    """A prediction beside what was measured, rows and genes matched by name; genes in the order of their names."""

    def __init__(
        self,
        measured: Measured,
        prediction: Prediction,
        *,
        cells: PredictedCells | None,
        level: float,
    ) -> None:
        self.measured, self.prediction, self.cells, self.level = measured, prediction, cells, level
        position = {name: i for i, name in enumerate(prediction.perturbations)}
        self.rows = np.array([position[name] for name in measured.perturbations], dtype=np.int64)
        self.genes = np.array(sorted(range(len(prediction.genes)), key=prediction.genes.__getitem__), dtype=np.int64)

    def values(self, metrics: Sequence[Metric]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return every metric of every row `(n_perturbations, n_metrics)`, in the order of the prediction, and the same as a rival."""
        out = np.full((len(self.rows), len(metrics)), np.nan)
        rivals = out.copy()
        together = [j for j, metric in enumerate(metrics) if "panel" in metric.needs]
        alone = [j for j in range(len(metrics)) if j not in together]
        needs = frozenset(need for j in alone for need in metrics[j].needs)
        for block in self.measured.blocks(needs) if alone else ():
            pair = self._aligned(block)
            for j in alone:
                out[self.rows[block.rows], j] = metrics[j].compute(pair)
        if together:
            panel = self._panel()
            for j in together:
                out[self.rows, j] = metrics[j].compute(panel)
                other_side = metrics[j].as_rival
                if other_side is not None:
                    rivals[self.rows, j] = other_side(panel)
        return out, rivals

    @cached_property
    def _pred_noise(self) -> NDArray[np.float64] | None:
        cells = self.cells
        return None if cells is None else np.asarray(cells.variance / cells.n_cells[:, None], dtype=np.float64)

    @cached_property
    def _allowance(self) -> NDArray[np.float64] | None:
        """What is taken off for the sampling of predicted cells, in the order of the prediction; bounded over all rows together."""
        real = self.measured.effects.take(self.prediction.perturbations)
        if self._pred_noise is None or real.variance is None:
            return None
        return noise_allowance(self.prediction.delta, self._pred_noise, real.variance / real.n_cells[:, None])

    def _taken(self, table: NDArray[np.float64] | None, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        return None if table is None else table[np.ix_(rows, self.genes)]

    def _aligned(self, block: MeasuredBlock) -> Aligned:
        rows, measured = self.rows[block.rows], self.measured
        names = measured.perturbations[block.rows]
        cells = self.cells
        return Aligned(
            pred=self.prediction.delta[np.ix_(rows, self.genes)],
            true=block.true,
            counted=block.counted,
            strength=block.strength,
            noise=block.noise,
            train_mean=measured.train_mean,
            de_real=block.contrast,
            de_pred=None if block.contrast is None else self._contrast(block, rows),
            rest=block.rest,
            lower=self._taken(self.prediction.lower, rows),
            upper=self._taken(self.prediction.upper, rows),
            level=self.level,
            reference_noise=measured.reference_noise,
            pred_noise=self._taken(self._pred_noise, rows),
            allowance=self._taken(self._allowance, rows),
            cells=tuple(cells.clouds.get(name) for name in names) if cells is not None else (),
            gene_sets=measured.gene_sets,
        )

    def _contrast(self, block: MeasuredBlock, rows: NDArray[np.int64]) -> Contrast | None:
        """Differential expression of the predicted side, against the real controls; genes in the order of their names."""
        screen_order = self.genes[np.argsort(self.measured.genes)]
        change = self.prediction.delta[np.ix_(rows, screen_order)]
        if self.cells is None:
            found = contrast_of_profile(change, block.effects)
        elif self.cells.contrast is not None:
            found = self.cells.contrast.of_rows(rows).take(screen_order)
        else:
            own = PredictedCells(
                n_cells=self.cells.n_cells[rows], variance=self.cells.variance[np.ix_(rows, screen_order)]
            )
            found = contrast_of_cells(change, own, block.effects)
        return None if found is None else found.take(self.measured.genes)

    def _panel(self) -> Aligned:
        """Return all rows over the genes that none of them targets."""
        measured = self.measured
        kept = ~measured.target.any(axis=0)
        effects = measured.effects
        return Aligned.of(
            self.prediction.delta[np.ix_(self.rows, self.genes[kept])],
            effects.delta[np.ix_(effects.rows(measured.perturbations), measured.genes[kept])],
        )
