"""Permutation tests: exact, uniform without effect, and never below what the design can give."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kstest

from perturbridge.audit._kernels import class_sums, rank_sums
from perturbridge.audit._permutation import group_permutation_p, n_partitions, p_of, seeds_of, separation_p, whiten


def test_sums_of_the_labels_as_they_are(rng):
    x, codes = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(4, size=50).astype(np.int32)
    weights = 1 / np.bincount(codes)
    found = class_sums(x, codes, np.array([0, 50]), weights, seeds_of(rng, 1))[0]
    expected = sum(weights[k] * (x[codes == k].astype(float).sum(axis=0) ** 2).sum() for k in range(4))
    assert found == pytest.approx(expected, rel=1e-6)


def test_shuffles_stay_inside_their_segment():
    # Segment g holds class g alone, so that any shuffle inside segments leaves the statistic as it is.
    codes = np.repeat(np.arange(5), 10).astype(np.int32)
    x = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    drawn = class_sums(x, codes, np.arange(0, 51, 10), np.ones(5), np.arange(1, 40, dtype=np.uint64))
    np.testing.assert_allclose(drawn, drawn[0], rtol=1e-6)


def test_every_arrangement_of_a_segment_is_equally_likely():
    codes, x = np.array([0, 1, 2], dtype=np.int32), np.diag([1.0, 10.0, 100.0]).astype(np.float32)
    drawn = class_sums(
        x, codes, np.array([0, 3]), np.array([1.0, 2.0, 4.0]), seeds_of(np.random.default_rng(3), 6_000)
    )[1:]
    expected = {
        sum(w * x[i, i] ** 2 for w, i in zip((1.0, 2.0, 4.0), order, strict=True)) for order in permutations(range(3))
    }
    values, counts = np.unique(np.round(drawn, 3), return_counts=True)
    np.testing.assert_allclose(sorted(values), sorted(np.round(list(expected), 3)))
    assert counts.min() > 850
    assert counts.max() < 1150


def test_rank_sums_agree_with_a_loop(rng):
    ranks, codes = rng.random((30, 2, 3)).astype(np.float32), rng.integers(3, size=30).astype(np.int32)
    weights = np.array([1.0, 0.5, 2.0])
    found = rank_sums(ranks, codes, np.array([0, 30]), weights, seeds_of(rng, 1))[0]
    expected = [(weights[codes] * ranks[np.arange(30), p, codes]).sum() for p in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_whitening_knows_no_labels_and_gives_unit_covariance(rng):
    strata = rng.integers(4, size=400)
    z = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3)) + 5.0 * strata[:, None]
    white = whiten(z, strata)
    np.testing.assert_allclose(white.T @ white / (400 - 4), np.eye(3), atol=0.02)
    for s in range(4):
        np.testing.assert_allclose(white[strata == s].mean(axis=0), 0, atol=1e-9)


@pytest.mark.slow
def test_p_values_are_uniform_without_effect():
    p = []
    for seed in range(1_000):
        rng = np.random.default_rng(seed)
        strata = rng.integers(3, size=90)
        # Context goes with the stratum, and so does z: only a test that shuffles inside strata keeps its size.
        codes = (rng.random(90) < np.array([0.2, 0.5, 0.8])[strata]).astype(int)
        z = rng.standard_t(3, size=(90, 4)) + 3.0 * strata[:, None]
        p.append(separation_p(z, codes, strata, n_permutations=199, seed=rng)[0])
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_an_effect_gives_the_smallest_p(rng):
    codes = rng.integers(2, size=200)
    z = rng.normal(size=(200, 4))
    z[:, 2] += 2.0 * codes
    p, attainable = separation_p(z, codes, np.zeros(200, int), n_permutations=199, seed=0)
    assert p == attainable == 1 / 200


def test_a_handful_of_cells_says_how_small_p_can_be():
    z, codes = np.arange(4.0)[:, None], np.array([0, 0, 1, 1])
    _, attainable = separation_p(z, codes, np.zeros(4, int), n_permutations=999, seed=0)
    assert attainable == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("sizes", "n"), [((2, 2), 3), ((3, 3), 10), ((4, 4), 35), ((2, 3), 10), ((2, 2, 2), 15), ((1, 1), 1)]
)
def test_number_of_partitions(sizes, n):
    assert n_partitions(sizes) == n


def test_two_samples_per_context_cannot_go_below_a_third():
    means = np.array([[0.0], [0.1], [10.0], [10.1]])
    p, attainable = group_permutation_p(means, np.array([0, 0, 1, 1]), n_permutations=999, seed=0)
    assert p == pytest.approx(1 / 3)
    assert attainable == pytest.approx(1 / 3)


def test_listing_and_drawing_agree(rng):
    means = rng.normal(size=(12, 2))
    codes = np.array([0] * 6 + [1] * 6)
    means[codes == 1] += 0.6
    listed, _ = group_permutation_p(means, codes, n_permutations=1, seed=0)
    many = np.vstack([means, means[:1] * 0])[:12]
    drawn = [group_permutation_p(many, codes, n_permutations=1, seed=0)[0]]
    assert listed == pytest.approx(drawn[0])
    from perturbridge.audit import _permutation

    sizes, n_hits, n_draws = (6, 6), 0, 4_000
    centred = means - means.mean(axis=0)
    observed = _permutation._between(centred, codes, sizes)
    for _ in range(n_draws):
        n_hits += _permutation._between(centred, rng.permutation(codes), sizes) >= observed - 1e-12
    assert n_hits / n_draws == pytest.approx(listed, abs=0.03)


def test_group_test_keeps_its_size_where_samples_differ_and_contexts_do_not():
    p = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        p.append(group_permutation_p(rng.normal(size=(8, 3)), np.repeat([0, 1], 4), n_permutations=99, seed=rng)[0])
    assert np.mean(np.array(p) <= 0.05) <= 0.08


def test_ties_count_against_the_finding():
    assert p_of(np.array([1.0, 1.0, 1.0, 0.0])) == 0.75
