"""Each warning comes where it should and stays away where it should not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.evaluation import controls_differ, referee, targets_drive
from perturbridge.values import ScoreTable


def codes(table, **kwargs):
    return {finding.code for finding in referee(table, model="model", **kwargs)}


def tables(make_table, **scores):
    """{metric: (model, mean)} as one table of 12 perturbations, with a little noise of its own."""
    rng = np.random.default_rng(0)
    return ScoreTable.join(
        [
            make_table(
                {"model": a + 0.001 * rng.normal(size=12), "mean": b + 0.001 * rng.normal(size=12)}, metric=metric
            )
            for metric, (a, b) in scores.items()
        ]
    )


def test_a_flip_between_error_and_discrimination(make_table):
    flipped = tables(make_table, rmse=(0.2, 0.1), pds_cosine=(0.9, 0.5))
    assert "metric_flip" in codes(flipped)
    assert "metric_flip" not in codes(tables(make_table, rmse=(0.1, 0.2), pds_cosine=(0.9, 0.5)))
    assert "metric_flip" not in codes(tables(make_table, rmse=(0.2, 0.1), pds_cosine=(0.4, 0.5)))


def test_what_all_perturbations_share(make_table):
    shared = tables(make_table, pearson_delta=(0.6, 0.58), pearson_delta_pert=(0.05, 0.0))
    assert "systematic_variation" in codes(shared)
    own = tables(make_table, pearson_delta=(0.6, 0.58), pearson_delta_pert=(0.4, 0.0))
    assert "systematic_variation" not in codes(own)
    beyond = tables(make_table, pearson_delta=(0.6, 0.1), pearson_delta_pert=(0.05, 0.0))
    assert "systematic_variation" not in codes(beyond)


def test_predictions_that_are_all_the_same(make_table, make_effects, make_prediction):
    rng = np.random.default_rng(1)
    effects = make_effects(rng.normal(size=(6, 30)))
    table = tables(make_table, rmse=(0.2, 0.1))
    shift = rng.normal(size=30)
    for own, expected in ((0.01, True), (0.5, False)):
        delta = shift + own * rng.normal(size=(6, 30))
        prediction = make_prediction(delta, effects=effects, perturbations=effects.perturbations)
        assert ("alike_predictions" in codes(table, prediction=prediction)) == expected


@pytest.mark.parametrize(("power", "expected"), [(0.5, True), (0.0, False)])
def test_error_that_follows_the_number_of_cells(make_table, power, expected):
    n = np.array([10, 20, 40, 80, 160, 320, 15, 30, 60, 120, 240, 400])
    rng = np.random.default_rng(2)
    error = n**-power + 0.01 * rng.normal(size=12)
    table = replace(make_table({"model": error}), n_cells=n)
    assert ("cells_drive_error" in codes(table)) == expected


def test_targets_that_make_the_score(make_table):
    first, second = (make_table({"model": [s, s]}, metric="pearson_delta") for s in (0.9, 0.5))
    found = targets_drive(first, second, model="model", metrics=["pearson_delta"])
    assert [f.code for f in found] == ["targets_drive_score"]
    assert targets_drive(second, second, model="model", metrics=["pearson_delta"]) == ()


def test_controls_that_are_no_draws_of_the_real_ones(make_effects):
    rng = np.random.default_rng(3)
    effects = make_effects(rng.normal(size=(4, 200)), noise=1.0)
    table = effects.contexts
    error = np.sqrt((table.n_control / table.n_control.sum()) @ table.control_variance * (1 / 50 + 1 / 90))
    drawn = effects.control_mean + error * rng.normal(size=200)
    assert controls_differ(drawn, effects, n_cells=50, model="m") is None
    assert controls_differ(drawn + 0.6, effects, n_cells=50, model="m").code == "submitted_controls"
    assert controls_differ(drawn, replace(effects, contexts=None), n_cells=50, model="m") is None
