"""Cross-validation: everything is fitted again on the training rows of each fold; test rows are opened once, to score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perturbridge._checks import one_of
from perturbridge.effects import default_baselines
from perturbridge.errors import DataError
from perturbridge.evaluation import DUPLICATE, calibrate, compare, headline, summarize
from perturbridge.screens import make_split, trim_split
from perturbridge.values import Prediction, ScoreTable, Split
from perturbridge.workers import as_workers, map_alike

from ._fold_tasks import Folds, do_fold_task, fold_tasks
from ._held_out_cells import LEVELS, SeenElsewhere, draw_levels, without_screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from perturbridge.effects import EffectModel, Estimator
    from perturbridge.values import Effects, Finding, PerturbationName, Screen

__all__ = ["SHUFFLED", "CrossValidation", "cross_validate"]

SHUFFLED = "shuffled_embedding"


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossValidation:
    """Scores of a model and its baselines on the same held-out perturbations.

    Parameters
    ----------
    model
        Name of the model under test.
    scores
        Long table over every model, fold, perturbation and metric.
    predictions
        The tested model's prediction for each fold, by fold name.
    split
        The folds.
    reports
        What the tested model chose in each fold, by fold name.
    seed
        Draws the bootstrap.
    findings
        What a split of cells left out of its folds.
    measured
        Where whole levels were held out: effects of the test cells of the first fold, to show beside its prediction.
    """

    model: str
    scores: ScoreTable
    predictions: Mapping[str, Prediction]
    split: Split
    reports: Mapping[str, Mapping[str, object]]
    seed: int
    findings: tuple[Finding, ...] = ()
    measured: Effects | None = None

    @cached_property
    def held_out(self) -> Prediction:
        """Test rows of all folds; a perturbation that several folds test keeps the row of the first of them.

        Bounds are there where every fold has them.
        """
        seen: set[PerturbationName] = set()
        parts: list[tuple[Prediction, list[int]]] = []
        for prediction in self.predictions.values():
            rows = [i for i, name in enumerate(prediction.perturbations) if name not in seen]
            seen.update(prediction.perturbations)
            parts.append((prediction, rows))
        first = parts[0][0]
        bounds = {
            bound: np.concatenate([getattr(p, bound)[rows] for p, rows in parts])
            if all(getattr(p, bound) is not None for p, _ in parts)
            else None
            for bound in ("lower", "upper")
        }
        return Prediction(
            perturbations=tuple(p.perturbations[i] for p, rows in parts for i in rows),
            genes=first.genes,
            delta=np.concatenate([p.delta[rows] for p, rows in parts]),
            status=tuple(p.status[i] for p, rows in parts for i in rows),
            detail=tuple(p.detail[i] for p, rows in parts for i in rows),
            model=self.model,
            lower=bounds["lower"],
            upper=bounds["upper"],
            in_training=tuple(p.in_training[i] for p, rows in parts for i in rows),
            split_hash=self.split.hash,
        )

    def summary(self, *, by: str | None = None) -> pd.DataFrame:
        """Return mean and bootstrap interval for each model and metric, by stratum where asked."""
        return summarize(self.scores, seed=self.seed, by=by)

    @property
    def baselines(self) -> tuple[str, ...]:
        """Competitors of the model: every other scored model but the shuffled embedding, which is the model itself without its knowledge.

        Nor is the technical duplicate one, which has seen the very perturbations.
        """
        others = dict.fromkeys(str(name) for name in self.scores.model.tolist())
        return tuple(name for name in others if name not in (self.model, SHUFFLED, DUPLICATE))

    def comparison(self) -> pd.DataFrame:
        """Return the paired difference from the best baseline for each metric, with interval and p-value."""
        return compare(self.scores, model=self.model, baselines=self.baselines, seed=self.seed)

    def knowledge(self) -> pd.DataFrame | None:
        """Return the paired difference from the same model on shuffled embeddings: what the embeddings contribute; None if not scored."""
        if SHUFFLED not in self.scores.model:
            return None
        return compare(self.scores, model=self.model, baselines=[SHUFFLED], seed=self.seed)

    def against_mean(self) -> pd.DataFrame | None:
        """Return the paired difference of every other model from the mean of training perturbations; None if that was not scored."""
        others = [name for name in (self.model, *self.baselines) if name != "mean"]
        if "mean" not in self.baselines or not others:
            return None
        return compare(self.scores, model=others, baselines=["mean"], seed=self.seed)

    def headline(self) -> pd.DataFrame:
        """Return the four headline metrics for each model, with its skill: 0 is the best baseline, 1 what the data allow."""
        return headline(self.scores, baselines=self.baselines, seed=self.seed)

    def calibration(self) -> pd.DataFrame | None:
        """Return what chance, the training mean, a technical duplicate and a perfect prediction score; None without a duplicate."""
        scored = set(self.scores.model.tolist())
        if not {DUPLICATE, "mean"} <= scored:
            return None
        return calibrate(self.scores, negative="mean", seed=self.seed)


def cross_validate(  # noqa: PLR0913 one keyword for each thing that decides what is held out and what is compared
    model: EffectModel,
    effects: Effects,
    *,
    split: str | Split = "perturbation",
    folds: int = 5,
    seed: int = 0,
    baselines: Mapping[str, Estimator] | None = None,
    halves: tuple[Effects, Effects] | None = None,
    screen: Screen | None = None,
    min_cells: int = 2,
    client: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> CrossValidation:
    """Score a model on perturbations it has not seen, or in contexts it has not seen, beside every baseline.

    Where whole contexts, samples or states are held out, training Δ is measured on the cells of the other levels alone, against their
    own controls, and test Δ on the held-out cells against theirs. A perturbation may then have been seen elsewhere; `seen_elsewhere`,
    its Δ on the training cells looked up, joins the baselines, and strata tell `"seen elsewhere"` from `"unseen"`.

    Parameters
    ----------
    model
        Its settings are kept, what it has learnt is not: a fresh copy is fitted in each fold.
    effects
        All measured perturbations.
    split
        `"perturbation"`, `"combination"`, `"similarity"` (in the first source of the model), `"context"`, `"sample"`, `"state"`, or a
        split of your own.
    folds, seed
        Number of folds and what draws them, for a split by name; of levels each is a fold where there are no more of them.
    baselines
        Estimators to compare with, by name; default: all of `effects.default_baselines`.
    halves
        Effects of two halves of the cells, to score a technical duplicate beside the models.
    screen
        What `effects` were summed from, needed where levels are held out; halves are then drawn from the test cells of each fold.
    min_cells
        Fewest cells of a perturbation on either side, where levels are held out.
    client
        A `dask.distributed.Client` or an executor to spread the fits over, one model and fold to a task (a whole fold where levels are held
        out: its sides are summed from the cells, by the workers); default this process. Scores are the same to the last bit, since every
        fit is computed by one thread wherever it runs. A ridge is not divided further.
    progress
        Called with fits done and fits in all.

    Raises
    ------
    DataError
        If the split names a perturbation that was not measured, there are too few for the folds, or a side of a fold has no controls.
    """
    workers = as_workers(client)
    drawn, findings = _settled(split, effects, model, screen=screen, folds=folds, seed=seed, min_cells=min_cells)
    baselines = _competitors(model, baselines, by=drawn.by, seed=seed)
    held_out = bool(drawn.by)
    # A screen travels as where to read it.
    cells = screen.part(0, screen.n_cells) if screen is not None and held_out else None
    shared = Folds(
        model=model,
        baselines=baselines,
        effects=effects,
        halves=halves,
        split=drawn,
        screen=cells,
        min_cells=min_cells,
        seed=seed,
    )
    tasks = fold_tasks(shared, together=held_out and workers.n > 1)
    n_fits = len(drawn.folds) * (len(baselines) + 1)
    tell = None if progress is None else lambda done, total: progress(n_fits * done // total, n_fits)
    results = map_alike(workers, do_fold_task, tasks, shared=shared, progress=tell)
    tested = [
        (drawn.folds[t.fold].name, r)
        for t, r in zip(tasks, results, strict=True)
        if r.prediction is not None and r.report is not None
    ]
    return CrossValidation(
        model=model.name,
        scores=ScoreTable.join([table for result in results for table in result.tables]),
        predictions={name: r.prediction for name, r in tested if r.prediction is not None},
        split=drawn,
        reports={name: r.report for name, r in tested if r.report is not None},
        seed=seed,
        findings=findings,
        measured=tested[0][1].measured,
    )


def _competitors(
    model: EffectModel, given: Mapping[str, Estimator] | None, /, *, by: str, seed: int
) -> Mapping[str, Estimator]:
    if given is None:
        given = default_baselines(model.sources, seed=seed)
        if by:
            given = {**given, SeenElsewhere().name: SeenElsewhere()}
    if model.name in given:
        problem = f"A baseline bears the name of the model, {model.name!r}."
        raise DataError(problem, cure="Rename the baseline.")
    return given


def _settled(
    split: str | Split,
    effects: Effects,
    model: EffectModel,
    /,
    *,
    screen: Screen | None,
    folds: int,
    seed: int,
    min_cells: int,
) -> tuple[Split, tuple[Finding, ...]]:
    """Draw the split where it is not given; leave a split of cells with what each side can measure."""
    if isinstance(split, Split):
        drawn = split
    elif split in LEVELS:
        drawn = draw_levels(screen, split, folds=folds, seed=seed)
    else:
        drawn = _draw(effects, split, model=model, folds=folds, seed=seed)
    if not drawn.by:
        return drawn, ()
    if screen is None:
        raise without_screen(drawn.by)
    return trim_split(screen, drawn, min_cells=min_cells)


def _draw(effects: Effects, kind: str, *, model: EffectModel, folds: int, seed: int) -> Split:
    if one_of("split", kind, ("perturbation", "combination", "similarity", *LEVELS)) == "combination":
        return make_split(effects, kind="combination", folds=folds, seed=seed)
    if kind == "similarity":
        if not model.sources:
            problem = "A split by similarity needs an embedding that is known before any fit; the model has none."
            raise DataError(problem, cure="Name an embedding file or a table that ships first, or use another split.")
        return make_split(effects, kind="similarity", folds=folds, seed=seed, embedding=model.sources[0])
    return make_split(effects, kind="perturbation", folds=folds, seed=seed)
