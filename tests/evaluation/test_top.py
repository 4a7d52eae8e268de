from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.evaluation import METRICS, Aligned
from perturbridge.evaluation._noise import strength


def test_fewer_genes_than_asked_for_means_all_of_them():
    rng = np.random.default_rng(0)
    pair = Aligned.of(rng.normal(size=(4, 30)), rng.normal(size=(4, 30)))
    for k in (50, 100):
        np.testing.assert_allclose(METRICS[f"rmse_top{k}"].compute(pair), METRICS["rmse"].compute(pair))
        np.testing.assert_allclose(
            METRICS[f"pearson_delta_top{k}"].compute(pair), METRICS["pearson_delta"].compute(pair)
        )
    assert not np.allclose(METRICS["rmse_top20"].compute(pair), METRICS["rmse"].compute(pair))


@pytest.mark.parametrize("n_genes", [19, 20, 21, 100, 101, 180])
def test_the_strongest_counted_genes_are_taken(n_genes):
    rng = np.random.default_rng(n_genes)
    counted = rng.random((5, n_genes)) < 0.8
    pair = Aligned.of(rng.normal(size=(5, n_genes)), rng.normal(size=(5, n_genes)), counted=counted)
    expected = []
    for i in range(5):
        order = [g for g in np.argsort(-np.abs(pair.true[i])) if counted[i, g]][:20]
        expected.append(np.sqrt(np.mean((pair.pred[i, order] - pair.true[i, order]) ** 2)))
    np.testing.assert_allclose(METRICS["rmse_top20"].compute(pair), expected, rtol=1e-12)


def test_genes_that_did_not_change_are_no_top_genes():
    true = np.zeros((1, 50))
    true[0, :5] = [1, 2, 3, 4, 5]
    pred = np.full((1, 50), 9.0)
    pred[0, :5] = true[0, :5] + 1
    assert METRICS["rmse_top20"].compute(Aligned.of(pred, true))[0] == 1.0
    assert np.isnan(METRICS["rmse_top20"].compute(Aligned.of(pred, np.zeros((1, 50)))))


def test_the_prediction_does_not_pick_the_genes():
    rng = np.random.default_rng(1)
    true = rng.normal(size=(2, 60))
    pair = Aligned.of(rng.normal(size=(2, 60)), true)
    weakest = np.argsort(np.abs(true), axis=1)[:, :40]
    spoiled = pair.pred.copy()
    np.put_along_axis(spoiled, weakest, 1e6, axis=1)
    np.testing.assert_array_equal(
        METRICS["rmse_top20"].compute(replace(pair, pred=spoiled)), METRICS["rmse_top20"].compute(pair)
    )


def test_strength_is_change_over_standard_error(make_effects):
    effects = make_effects([[0.3, -0.2, 0.0]], noise=0.5)
    np.testing.assert_allclose(strength(effects), np.abs(effects.delta) / np.sqrt(effects.sampling_variance()))
    bare = make_effects([[0.3, -0.2, 0.0]])
    np.testing.assert_array_equal(strength(bare), [[0.3, 0.2, 0.0]])


def test_a_change_without_spread_is_strongest_and_no_change_is_weakest(make_effects):
    effects = make_effects([[0.3, 0.0, 0.1]], noise=0.5)
    still = replace(
        effects,
        variance=np.array([[0.0, 0.0, 1.0]]),
        contexts=replace(effects.contexts, control_variance=np.zeros((2, 3))),
    )
    found = strength(still)[0]
    assert found[0] == np.inf
    assert found[1] == 0
    assert np.isfinite(found[2])
