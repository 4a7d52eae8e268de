"""The ladder's figures against plain definitions, and energy distances."""

import numpy as np
import pytest

from perturbridge.response import Ladder
from perturbridge.response._cells import Placed
from perturbridge.response._energy import energy_distance, match, pair_weights
from perturbridge.response._ladder import Scores, rung_of


def scored(seed=0, n=9):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, 20, 3)) + rng.normal(size=(n, 1, 3))
    hat = true + 0.5 * rng.normal(size=true.shape)
    energy = rng.uniform(1, 2, size=(n, 2))
    return hat, true, energy, [Scores.of(h, t, energy=e) for h, t, e in zip(hat, true, energy, strict=True)]


def test_figures_are_ratios_of_sums():
    hat, true, energy, parts = scored()
    rung = rung_of("x", Scores.joined(parts))
    assert rung.error == pytest.approx(np.sqrt(((hat - true) ** 2).sum() / (true**2).sum()))
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (hat, true))
    assert rung.heterogeneity == pytest.approx((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    assert rung.energy == pytest.approx(energy[:, 0].sum() / energy[:, 1].sum())


def test_standard_errors_are_those_of_leaving_one_perturbation_out():
    hat, true, _, parts = scored()
    without = [
        np.sqrt(((np.delete(hat, i, 0) - np.delete(true, i, 0)) ** 2).sum() / (np.delete(true, i, 0) ** 2).sum())
        for i in range(9)
    ]
    se = np.sqrt(8 / 9 * ((without - np.mean(without)) ** 2).sum())
    assert rung_of("x", Scores.joined(parts)).error_se == pytest.approx(se)


def test_perturbations_without_cells_are_left_out_of_the_energy_alone():
    *_, parts = scored()
    nan = Scores.of(np.zeros((2, 3)), np.ones((2, 3)), energy=(np.nan, np.nan))
    with_nan, alone = (rung_of("x", Scores.joined(p)) for p in ([*parts, nan], parts))
    assert with_nan.energy == alone.energy
    assert with_nan.error > alone.error
    assert np.isnan(rung_of("x", Scores.joined([nan, nan])).energy)


def test_text_and_json(base):
    ladder = base.ladder_
    text = str(ladder)
    for name in ("zero", "mean shift", "ridge, mean", "ridge, cells"):
        assert name in text
    again = Ladder.from_json(ladder.as_json())
    assert str(again) == text
    assert again.as_json() == ladder.as_json()


def test_energy_distance_is_zero_in_expectation_for_cells_of_one_kind():
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        strata = np.repeat([0, 1, 2], [3, 5, 8])
        a, b = rng.normal(size=(2, 16, 2)) + 6.0 * strata[None, :, None]
        found.append([energy_distance(a + shift, b, strata) for shift in (0.0, 1.0)])
    same, moved = np.mean(found, axis=0)
    error = np.std(found, axis=0)[0] / np.sqrt(300)
    assert abs(same) < 3 * error
    assert moved > 10 * error


def test_pair_weights_sum_to_one():
    assert pair_weights(np.array([4, 4, 7, 7, 7])).sum() == pytest.approx(1)
    assert (np.diag(pair_weights(np.array([4, 4, 7, 7, 7]))) == 0).all()


def test_matching_draws_as_many_controls_of_each_stratum():
    rng = np.random.default_rng(0)
    controls = Placed(rows=np.arange(40), x=rng.normal(size=(40, 2)), strata=np.repeat([0, 1], 20))
    strata = np.r_[np.zeros(25), np.ones(3), [5, 5], np.ones(4)].astype(int)
    perturbed = Placed(rows=np.arange(34), x=rng.normal(size=(34, 2)), strata=strata)
    one, few, none = match(controls, perturbed, np.r_[np.zeros(30), np.ones(4)].astype(int), n=3, rng=rng)
    assert few is None
    assert none is None
    assert len(np.unique(one.controls)) == len(one.controls) == 23
    assert np.array_equal(controls.strata[one.controls], one.strata)
    assert np.array_equal(np.unique(one.strata, return_counts=True)[1], [20, 3])
