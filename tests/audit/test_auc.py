"""AUC over pairs of one group: brute force, scikit-learn, laws, and a standard error that covers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from perturbridge.audit._auc import grouped_auc, macro_auc


def brute_force(scores, positive, groups):
    wins = pairs = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            if groups[i] == groups[j]:
                pairs += 1
                wins += (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
    return wins / pairs if pairs else np.nan, int(pairs)


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 5), st.integers(1, 6))
def test_agrees_with_every_pair_counted(seed, n, n_groups, n_values):
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(n_values, size=n).astype(float), rng.random(n) < 0.4
    groups = rng.integers(n_groups, size=n)
    value, pairs = brute_force(scores, positive, groups)
    found = grouped_auc(scores, positive, groups)
    assert found.n_pairs == pairs
    np.testing.assert_allclose(found.value, value, atol=1e-12)


def test_one_group_is_the_usual_auc(rng):
    scores, positive = rng.normal(size=500), rng.random(500) < 0.2
    found = grouped_auc(scores, positive, np.zeros(500, int))
    assert found.value == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_macro_agrees_with_scikit_learn(rng):
    codes = rng.integers(4, size=400)
    scores = rng.normal(size=(400, 4)) + np.eye(4)[codes]
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = macro_auc(p, codes, np.zeros(400, int))
    assert found.value == pytest.approx(roc_auc_score(codes, p, multi_class="ovr"), abs=1e-12)


def test_a_constant_per_group_changes_nothing(rng):
    scores, positive, groups = rng.normal(size=300), rng.random(300) < 0.5, rng.integers(7, size=300)
    shifted = scores + 100.0 * groups
    assert grouped_auc(shifted, positive, groups).value == pytest.approx(grouped_auc(scores, positive, groups).value)


def test_exchanging_classes_mirrors(rng):
    scores, positive, groups = rng.normal(size=300), rng.random(300) < 0.3, rng.integers(5, size=300)
    a, b = grouped_auc(scores, positive, groups), grouped_auc(scores, ~positive, groups)
    assert a.value + b.value == pytest.approx(1.0)
    np.testing.assert_allclose(a.influence, -b.influence, atol=1e-15)


def test_influences_sum_to_nothing_and_their_squares_to_the_variance():
    rng = np.random.default_rng(5)
    values, errors = [], []
    for _ in range(400):
        positive = rng.random(200) < 0.25
        found = grouped_auc(rng.normal(size=200) + 0.8 * positive, positive, rng.integers(3, size=200))
        assert abs(found.influence.sum()) < 1e-9
        values.append(found.value)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_clusters_of_like_cells_widen_the_error(rng):
    clusters = np.repeat(np.arange(20), 20)
    positive = rng.random(400) < 0.5
    scores = rng.normal(size=400) + np.where(positive, 1, -1) * rng.normal(size=20)[clusters]
    found = grouped_auc(scores, positive, np.zeros(400, int))
    assert found.clustered_error(clusters) > 2 * found.standard_error


def test_no_pair_is_not_a_number():
    found = grouped_auc(np.arange(4.0), np.array([True, True, False, False]), np.array([0, 1, 2, 3]))
    assert np.isnan(found.value)
    assert found.n_pairs == 0
