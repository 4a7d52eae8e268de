"""Ceilings, floors and what a metric can tell, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

import perturbridge as pb
from perturbridge.errors import DataError
from perturbridge.evaluation import DUPLICATE, METRICS, calibrate, headline
from perturbridge.evaluation._ceiling import lift_of
from perturbridge.values import ScoreTable


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.is_score and m.chance in (0.0, 0.5)])
def test_chance_stays_chance_and_best_stays_best(name):
    """Where public tools step a discrimination of one half up to two thirds."""
    metric = METRICS[name]
    lift, origin = lift_of(metric)
    assert origin == "halves"
    assert lift(np.array([metric.chance]))[0] == pytest.approx(metric.chance, abs=1e-12)
    assert lift(np.array([metric.best]))[0] == pytest.approx(metric.best, abs=1e-9)
    rising = lift(np.linspace(min(metric.best, metric.chance), max(metric.best, metric.chance), 21))
    assert (np.diff(rising) > 0).all()
    better = lift(np.array([(metric.best + metric.chance) / 2]))[0]
    assert abs(better - metric.best) < abs(metric.best - metric.chance) / 2


def test_correlation_of_halves_becomes_that_of_truth_with_all_cells():
    """Halves of signal s and noise 2n each, all cells s and n: the rule must give √(s / (s + n))."""
    lift, _ = lift_of(METRICS["spearman_delta"])
    for s, n in ((1.0, 0.5), (0.2, 1.0), (3.0, 0.1)):
        assert lift(np.array([s / (s + 2 * n)]))[0] == pytest.approx(np.sqrt(s / (s + n)), rel=1e-12)


def test_drf_and_bds_by_hand(make_table):
    values = {DUPLICATE: [0.8, 0.6, 0.9, 0.3], "mean": [0.5, 0.5, 0.5, 0.5]}
    row = calibrate(make_table(values, metric="pds_cosine"), negative="mean").set_index("metric").loc["pds_cosine"]
    assert row["bds"] == 0.75
    assert row["drf"] == pytest.approx((0.5 - 0.65) / (0.5 - 1.0))
    assert row["n"] == 4
    assert row["ceiling_low"] < row["ceiling"] < row["ceiling_high"]
    with pytest.raises(DataError, match="'median' is not among the 2 scored models"):
        calibrate(make_table(values, metric="pds_cosine"), negative="median")


def test_skill_of_discrimination_reaches_from_baseline_to_the_lifted_duplicate(make_table):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, 40)
    table = make_table({"model": 0.7 + noise, "mean": 0.5 + noise, DUPLICATE: 0.7 + noise}, metric="pds_cosine")
    row = headline(table, baselines=["mean"]).set_index("model").loc["model"]
    lift, _ = lift_of(METRICS["pds_cosine"])
    top = lift(np.array([np.mean(0.7 + noise)]))[0]
    assert row["ceiling"] == pytest.approx(top)
    assert row["ceiling_origin"] == "halves"
    assert row["skill"] == pytest.approx(0.2 / (top - np.mean(0.5 + noise)))
    assert row["skill_low"] < row["skill"] < row["skill_high"]


def no_effect(seed):
    """A screen whose perturbations do nothing, its halves, and all of it scored."""
    from perturbridge.effects import MeanEffect
    from perturbridge.evaluation import Scorer
    from perturbridge.pipeline._duplicate import half_effects, score_duplicate
    from perturbridge.screens import ArraySource
    from perturbridge.values import Normalization, Screen, as_names

    rng = np.random.default_rng(seed)
    n, n_genes, n_each, n_control = 24, 60, 20, 400
    names = as_names(sorted(f"P{i:02d}" for i in range(n)))
    codes = np.r_[np.repeat(np.arange(n), n_each), np.full(n_control, -1)].astype(np.int32)
    values = rng.normal(2.0, 0.5, size=(len(codes), n_genes)).clip(0)
    screen = Screen(
        source=ArraySource(values, description="made"),
        genes=tuple(f"g{j}" for j in range(n_genes)),
        perturbations=names,
        perturbation_codes=codes,
        normalization=Normalization(kind="log1p", place="X"),
    )
    effects, test, train = pb.pseudobulk(screen), names[:16], names[16:]
    baseline = MeanEffect().fit(effects.take(train)).predict(test)
    twin = score_duplicate(half_effects(screen, seed=seed), test, train=train)
    return ScoreTable.join([Scorer(effects, test, train=train).score(baseline), twin]), baseline.model


def test_without_effects_every_discrimination_ceiling_is_chance():
    """The 50-screen form with figures: python -m tests.benchmarks ceilings."""
    found = {}
    for seed in range(8):
        table, mean = no_effect(seed)
        for row in calibrate(table, negative=mean, n_resamples=100).to_dict("records"):
            if METRICS[row["metric"]].chance == 0.5 and row["origin"] == "halves":
                found.setdefault(row["metric"], []).append(row["ceiling"])
    assert set(found) >= {"pds_cosine", "pds_l2", "pds_l1", "rank_rmse"}
    for metric, values in found.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - 0.5) < 3.5 * error + 0.01, metric
