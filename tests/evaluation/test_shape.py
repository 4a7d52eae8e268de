from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from perturbridge.evaluation import METRICS, Aligned

CORRELATIONS = ["pearson_delta", "pearson_delta_pert", "spearman_delta", "pearson_delta_top20"]


def value(name, pred, true, **more):
    return METRICS[name].compute(Aligned.of(pred, true, **more))


@pytest.mark.parametrize("name", [*CORRELATIONS, "cosine_delta"])
@pytest.mark.parametrize("side", ["pred", "true"])
def test_no_change_has_no_shape(name, side):
    profile, nothing = np.random.default_rng(0).normal(size=(1, 30)), np.zeros((1, 30))
    pair = (nothing, profile) if side == "pred" else (profile, nothing)
    assert np.isnan(value(name, *pair, train_mean=np.zeros(30)))


@pytest.mark.parametrize("name", CORRELATIONS)
def test_a_constant_shift_has_no_shape(name):
    true = np.random.default_rng(0).normal(size=(1, 30))
    assert np.isnan(value(name, np.full((1, 30), 0.3), true, train_mean=np.zeros(30)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_training_mean_has_no_profile_of_its_own(dtype):
    """Even after a round through float32, whose rounding would else be correlated with the truth."""
    rng = np.random.default_rng(1)
    train = rng.normal(size=(40, 500)) + rng.normal(size=500)
    mean = train.mean(axis=0)
    stored = np.tile(mean, (3, 1)).astype(dtype)
    score = value("pearson_delta_pert", stored, rng.normal(size=(3, 500)), train_mean=mean)
    assert np.isnan(score).all()


def test_a_small_but_real_deviation_from_the_training_mean_counts():
    rng = np.random.default_rng(2)
    mean, true = rng.normal(size=500), rng.normal(size=(3, 500))
    score = value("pearson_delta_pert", mean + 1e-4 * (true - mean), true, train_mean=mean)
    np.testing.assert_allclose(score, 1.0, atol=1e-6)


def test_the_shared_shift_lifts_one_pearson_and_not_the_other():
    """Systematic variation: the mean of the training perturbations looks good against control and is nothing against itself."""
    rng = np.random.default_rng(3)
    shared = rng.normal(size=400)
    true = shared + 0.5 * rng.normal(size=(10, 400))
    pred = shared + 0.5 * rng.normal(size=(10, 400))
    assert value("pearson_delta", pred, true).mean() > 0.7
    assert abs(value("pearson_delta_pert", pred, true, train_mean=shared).mean()) < 0.1


def test_no_change_gains_from_weak_perturbations_against_the_training_mean():
    """Why the comparison needs the baseline of no change: half the perturbations do nothing, and saying so is rewarded."""
    rng = np.random.default_rng(6)
    shared = rng.normal(size=400)
    true = np.repeat([0.0, 2.0], 10)[:, None] * shared + 0.2 * rng.normal(size=(20, 400))
    score = value("pearson_delta_pert", np.zeros((20, 400)), true, train_mean=shared)
    assert score[:10].mean() > 0.9
    assert score[10:].mean() < -0.9


@given(seed=st.integers(0, 999), spread=st.sampled_from([1, 3, 100]))
def test_spearman_is_scipys(seed, spread):
    rng = np.random.default_rng(seed)
    pred, true = rng.integers(-spread, spread + 1, size=(2, 4, 12)).astype(float)
    counted = rng.random((4, 12)) < 0.8
    found = value("spearman_delta", pred, true, counted=counted)
    for i in range(4):
        p, t = pred[i, counted[i]], true[i, counted[i]]
        if len(p) > 1 and np.ptp(p) > 0 and np.ptp(t) > 0:
            np.testing.assert_allclose(found[i], spearmanr(p, t)[0], atol=1e-12)
        else:
            assert np.isnan(found[i])


def test_ceiling_is_what_a_perfect_prediction_reaches():
    rng = np.random.default_rng(4)
    signal = 0.4 * rng.normal(size=(200, 800)) + 0.3 * rng.normal(size=800)
    mean, sd = signal.mean(axis=0), rng.uniform(0.1, 0.6, size=(200, 800))
    pair = Aligned.of(signal, signal + sd * rng.normal(size=signal.shape), noise=sd**2, train_mean=mean)
    for name in ("pearson_delta", "pearson_delta_pert"):
        reached, ceiling = METRICS[name].compute(pair), METRICS[f"{name}_ceiling"].compute(pair)
        assert reached.mean() == pytest.approx(ceiling.mean(), abs=0.004)
        assert 0.6 < ceiling.mean() < 0.9


def test_ceiling_of_noise_alone_is_near_zero():
    rng = np.random.default_rng(5)
    pair = Aligned.of(np.zeros((50, 400)), rng.normal(size=(50, 400)), noise=np.ones((50, 400)))
    assert METRICS["pearson_delta_ceiling"].compute(pair).mean() < 0.2


@pytest.mark.parametrize("name", ["pearson_delta", "spearman_delta", "cosine_delta"])
def test_too_few_genes_have_no_correlation(name):
    counted = np.array([[True, False, False], [False, False, False]])
    table = np.arange(1.0, 7.0).reshape(2, 3)
    score = value(name, table, table, counted=counted)
    np.testing.assert_array_equal(np.isnan(score), [name != "cosine_delta", True])
