from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbridge.evaluation import METRICS, Aligned
from perturbridge.evaluation._distances import retrieve


def far(p, t, distance):
    if distance == "cosine":
        size = np.linalg.norm(p) * np.linalg.norm(t)
        return -float(p @ t) / size if size else 0.0
    return float(np.abs(p - t).sum()) if distance == "l1" else float(np.sqrt(((p - t) ** 2).sum()))


@pytest.mark.parametrize("distance", ["cosine", "l1", "l2"])
@given(seed=st.integers(0, 10_000), n=st.integers(2, 7), n_genes=st.integers(1, 4))
def test_counts_agree_with_brute_force(distance, seed, n, n_genes):
    """Profiles of small integers: ties and zeros abound."""
    rng = np.random.default_rng(seed)
    pred, true = rng.integers(-2, 3, size=(2, n, n_genes)).astype(float)
    found = retrieve(pred, true, distance=distance)
    for i in range(n):
        own = far(pred[i], true[i], distance)
        others = np.array([far(pred[i], true[q], distance) for q in range(n) if q != i])
        assert found.closer[i] == np.sum(others < own - 1e-9)
        assert found.tied[i] == np.sum(np.abs(others - own) <= 1e-9)


@pytest.mark.parametrize("distance", ["cosine", "l1", "l2"])
def test_blocks_do_not_show(distance, monkeypatch):
    from perturbridge.evaluation import _distances

    rng = np.random.default_rng(0)
    true = rng.normal(size=(23, 9))
    pred = true + rng.normal(size=(23, 9))
    whole = retrieve(pred, true, distance=distance)
    monkeypatch.setattr(_distances, "_BLOCK_ROWS", 5)
    parts = retrieve(pred, true, distance=distance)
    np.testing.assert_array_equal(parts.closer, whole.closer)
    np.testing.assert_array_equal(parts.tied, whole.tied)
    assert 0 < whole.closer.mean() < 22


def test_a_large_common_shift_costs_no_digits():
    rng = np.random.default_rng(1)
    true = rng.normal(size=(40, 30))
    pred = true + 2 * rng.normal(size=(40, 30))
    near, away = retrieve(pred, true, distance="l2"), retrieve(pred + 1e5, true + 1e5, distance="l2")
    np.testing.assert_array_equal(near.closer, away.closer)
    assert not away.tied.any()


@pytest.mark.parametrize("name", ["pds_cosine", "pds_l1", "pds_l2"])
def test_without_signal_the_mean_is_one_half(name):
    rng = np.random.default_rng(2)
    value = METRICS[name].compute(Aligned.of(rng.normal(size=(400, 60)), rng.normal(size=(400, 60))))
    assert value.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 400))


@pytest.mark.parametrize("name", ["pds_cosine", "pds_l1", "pds_l2", "centroid_accuracy"])
def test_one_prediction_for_all_is_exactly_chance_on_average(name):
    """The ranks of all real profiles around one point are a permutation: no luck is possible."""
    rng = np.random.default_rng(3)
    true = rng.normal(size=(21, 60))
    value = METRICS[name].compute(Aligned.of(np.tile(true.mean(axis=0) + 0.3, (21, 1)), true))
    assert value.mean() == pytest.approx(0.5, abs=1e-12)


def test_no_change_ties_with_everyone_by_cosine():
    true = np.random.default_rng(4).normal(size=(9, 30))
    pair = Aligned.of(np.zeros((9, 30)), true)
    np.testing.assert_array_equal(METRICS["pds_cosine"].compute(pair), 0.5)


def test_a_tie_is_half_right_for_discrimination_and_wrong_for_centroid_accuracy():
    true = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 5.0]])
    pair = Aligned.of(true, true)
    np.testing.assert_allclose(METRICS["pds_l2"].compute(pair), [0.75, 0.75, 1.0])
    np.testing.assert_allclose(METRICS["centroid_accuracy"].compute(pair), [0.5, 0.5, 1.0])


@pytest.mark.parametrize("name", ["pds_cosine", "pds_l1", "pds_l2", "centroid_accuracy"])
def test_a_panel_of_one_or_without_genes_is_undefined(name):
    assert np.isnan(METRICS[name].compute(Aligned.of(np.ones((1, 3)), np.ones((1, 3))))).all()
    assert np.isnan(METRICS[name].compute(Aligned.of(np.ones((3, 0)), np.ones((3, 0))))).all()
