from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perturbridge.numerics import bca_interval, bootstrap_means, sign_flip_test, sum_by_cluster


def interval(x, *, n_resamples=2000, confidence=0.95, seed=0):
    mean = np.nanmean(x, axis=0)
    resamples = bootstrap_means(x, n_resamples=n_resamples, seed=seed)
    return bca_interval(mean, resamples=resamples, influence=x - mean, confidence=confidence)


def draws_of(n_rows, *, n_resamples, seed):
    """How often each row was drawn, read off the means of indicator columns."""
    return bootstrap_means(np.eye(n_rows), n_resamples=n_resamples, seed=seed) * n_rows


@given(n_rows=st.integers(1, 9), seed=st.integers(0, 99))
def test_means_are_those_of_the_rows_drawn(n_rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 3))
    x[rng.random(x.shape) < 0.2] = np.nan
    counts = draws_of(n_rows, n_resamples=20, seed=seed)
    np.testing.assert_allclose(counts.sum(axis=1), n_rows)
    for row, means in zip(counts, bootstrap_means(x, n_resamples=20, seed=seed), strict=True):
        drawn = x[np.repeat(np.arange(n_rows), row.round().astype(int))]
        for j in range(3):
            known = drawn[:, j][~np.isnan(drawn[:, j])]
            np.testing.assert_allclose(means[j], known.mean() if known.size else np.nan, rtol=1e-12)


def test_every_row_is_drawn_equally_often():
    counts = draws_of(10, n_resamples=4000, seed=1)
    assert stats.chisquare(counts.sum(axis=0)).pvalue > 0.01
    np.testing.assert_allclose(counts.var(axis=0).mean(), 0.9, rtol=0.03)


def test_chunks_do_not_show(monkeypatch):
    """Many rows are drawn a few resamples at a time; the seed alone decides what."""
    from perturbridge.numerics import _bootstrap

    x = np.random.default_rng(0).normal(size=(50, 2))
    whole = bootstrap_means(x, n_resamples=101, seed=3)
    monkeypatch.setattr(_bootstrap, "_CHUNK_ENTRIES", 50 * 7)
    np.testing.assert_allclose(bootstrap_means(x, n_resamples=101, seed=3), whole, rtol=1e-12)
    assert not np.allclose(bootstrap_means(x, n_resamples=101, seed=4), whole)


def test_interval_is_scipys_bca_where_the_widening_is_taken_back():
    """scipy has no small-sample widening: ask it for the coverage that the widened quantile corresponds to."""
    x = np.random.default_rng(2).lognormal(size=(25, 1))
    low, high = interval(x, n_resamples=200_000)
    z = stats.t.ppf(0.975, 24) * np.sqrt(25 / 24)
    theirs = stats.bootstrap(
        (x[:, 0],),
        np.mean,
        n_resamples=200_000,
        confidence_level=2 * stats.norm.cdf(z) - 1,
        method="BCa",
        rng=5,
        batch=20_000,
    ).confidence_interval
    np.testing.assert_allclose([low[0], high[0]], theirs, rtol=0.01)


def test_interval_does_not_depend_on_the_other_columns():
    x = np.random.default_rng(3).normal(size=(12, 4))
    low, high = interval(x)
    low_alone, high_alone = interval(x[:, 2:3])
    np.testing.assert_allclose([low[2], high[2]], [low_alone[0], high_alone[0]])


@given(shift=st.integers(-5, 5), factor=st.sampled_from([-3.0, 0.5, 2.0]))
def test_interval_moves_with_its_data(shift, factor):
    x = np.random.default_rng(4).lognormal(size=(15, 1))
    low, high = interval(x, n_resamples=500)
    moved = np.sort(np.array(interval(shift + factor * x, n_resamples=500)).ravel())
    np.testing.assert_allclose(moved, np.sort(shift + factor * np.array([low[0], high[0]])), rtol=1e-9, atol=1e-9)


def test_interval_of_a_constant_is_that_constant():
    low, high = interval(np.full((8, 1), 0.1))
    np.testing.assert_allclose([low[0], high[0]], 0.1)


def test_interval_needs_two_rows():
    low, high = interval(np.array([[1.0, 1.0], [np.nan, 2.0]]))
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] <= 1.5 <= high[1]


def test_interval_needs_a_defined_resample():
    low, high = bca_interval(
        np.array([1.0]), resamples=np.full((9, 1), np.nan), influence=np.ones((3, 1)), confidence=0.9
    )
    assert np.isnan([low[0], high[0]]).all()


def test_interval_stays_within_the_resampled_values():
    x = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]).T
    low, high = interval(x, confidence=0.999)
    assert 0 <= low[0] < high[0] <= 1


@pytest.mark.parametrize(
    ("draw", "truth", "n", "least"),
    [
        (lambda rng, n: rng.normal(size=n), 0.0, 10, 0.93),
        (lambda rng, n: rng.beta(3, 0.5, size=n), 6 / 7, 20, 0.92),
        (lambda rng, n: rng.lognormal(0, 0.7, size=n), np.exp(0.245), 30, 0.90),
        (lambda rng, n: np.where(rng.random(n) < 0.5, 0.0, np.abs(rng.normal(size=n))), np.sqrt(0.5 / np.pi), 30, 0.92),
    ],
    ids=["normal", "bounded", "skewed", "half zeros"],
)
@pytest.mark.slow
def test_interval_covers_the_truth_nineteen_times_in_twenty(draw, truth, n, least):
    """Thirty rows of skewed data are known to fall a little short; the plain percentile interval falls shorter on all of these."""
    rng = np.random.default_rng(6)
    x = np.stack([draw(rng, n) for _ in range(1500)], axis=1)
    low, high = interval(x)
    covered = np.mean((low <= truth) & (truth <= high))
    assert least <= covered <= 0.97
    plain = np.quantile(bootstrap_means(x, n_resamples=2000, seed=0), [0.025, 0.975], axis=0)
    assert np.mean((plain[0] <= truth) & (truth <= plain[1])) < covered


@given(n_rows=st.integers(1, 8), seed=st.integers(0, 999))
def test_sign_flips_of_few_rows_are_all_listed(n_rows, seed):
    d = np.random.default_rng(seed).integers(-4, 7, size=(n_rows, 1)) / 8
    p, resolution = sign_flip_test(d, n_resamples=100, seed=0)
    total = abs(d.sum())
    flipped = [abs(float(np.dot(signs, d[:, 0]))) for signs in product((-1, 1), repeat=n_rows)]
    assert p[0] == np.mean([value >= total - 1e-12 for value in flipped])
    assert resolution[0] == min(1.0, 2 / 2 ** np.count_nonzero(d))
    assert p[0] >= resolution[0]


def test_drawn_sign_flips_agree_with_scipy():
    d = np.random.default_rng(1).normal(0.35, 1, size=(40, 1))
    p, resolution = sign_flip_test(d, n_resamples=50_000, seed=0)
    theirs = stats.permutation_test(
        (d[:, 0],), np.mean, permutation_type="samples", n_resamples=50_000, rng=3, batch=5000
    )
    assert p[0] == pytest.approx(theirs.pvalue, abs=0.004)
    assert resolution[0] == 1 / 50_001


def test_undefined_pairs_have_no_part_in_the_test():
    d = np.random.default_rng(2).normal(0.3, 1, size=(12, 2))
    d[3:, 1] = np.nan
    p, resolution = sign_flip_test(d, n_resamples=100, seed=0)
    alone, alone_resolution = sign_flip_test(d[:3, 1:], n_resamples=100, seed=0)
    assert (p[1], resolution[1]) == (alone[0], alone_resolution[0]) == (p[1], 0.25)
    nothing, _ = sign_flip_test(np.full((3, 1), np.nan), n_resamples=100, seed=0)
    assert np.isnan(nothing[0])


def test_p_values_are_uniform_where_nothing_differs():
    d = np.random.default_rng(3).normal(size=(25, 800))
    p, _ = sign_flip_test(d, n_resamples=999, seed=0)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_no_difference_at_all_has_p_one():
    p, resolution = sign_flip_test(np.zeros((20, 1)), n_resamples=100, seed=0)
    assert p[0] == 1
    assert resolution[0] == 1


def test_no_p_value_is_smaller_than_the_draws_can_show():
    d = 5 + np.random.default_rng(0).normal(size=(40, 1))
    p, resolution = sign_flip_test(d, n_resamples=199, seed=0)
    assert p[0] == resolution[0] == 1 / 200


def test_without_rows_there_is_no_mean():
    assert np.isnan(bootstrap_means(np.empty((0, 2)), n_resamples=5, seed=0)).all()


def test_clusters_of_one_row_change_nothing():
    x = np.random.default_rng(3).normal(0.2, 1, size=(12, 2))
    alone = np.arange(12)[:, None]
    np.testing.assert_array_equal(
        bootstrap_means(x, n_resamples=50, seed=1), bootstrap_means(x, n_resamples=50, seed=1, clusters=alone)
    )
    first, second = (sign_flip_test(x, n_resamples=200, seed=2, clusters=c) for c in (None, alone))
    np.testing.assert_array_equal(first[0], second[0])


def test_resamples_draw_clusters_whole():
    """Four rows in two clusters: every resample is a mean of cluster sums, and the spread is that of two units."""
    x = np.array([[1.0], [1.0], [3.0], [3.0]])
    drawn = bootstrap_means(x, n_resamples=4000, seed=0, clusters=np.array([[0], [0], [1], [1]]))[:, 0]
    assert set(drawn.round(12)) == {1.0, 2.0, 3.0}
    assert np.mean(drawn == 2.0) == pytest.approx(0.5, abs=0.03)


def test_sums_by_cluster_leave_undefined_rows_out():
    x = np.array([[1.0, np.nan], [2.0, np.nan], [4.0, 5.0]])
    found = sum_by_cluster(x, np.array([[0, -1], [0, 1], [1, -1]]))
    np.testing.assert_array_equal(found, [[3.0, np.nan], [6.0, 5.0]])


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_flips_of_rows_that_share_genes_hold_their_level(shared):
    """Singles and pairs whose differences carry a part of each gene: p below .05 at most about one time in twenty."""
    n_genes, hits, n_repeats = 14, 0, 300
    rng = np.random.default_rng(5)
    pairs = [(i, (i + step) % n_genes) for step in (1, 3) for i in range(n_genes)]
    clusters = np.array([[i, -1] for i in range(n_genes)] + [list(pair) for pair in pairs])
    member = np.zeros((len(clusters), n_genes))
    for row, genes in enumerate(clusters):
        member[row, genes[genes >= 0]] = 1.0
    for _ in range(n_repeats):
        d = shared * member @ rng.normal(size=n_genes) + rng.normal(size=len(clusters))
        hits += sign_flip_test(d[:, None], n_resamples=300, seed=rng, clusters=clusters)[0][0] < 0.05
    assert hits <= 0.05 * n_repeats + 2.6 * np.sqrt(0.05 * 0.95 * n_repeats)
    ignored = 0
    for _ in range(n_repeats if shared else 0):
        d = shared * member @ rng.normal(size=n_genes) + rng.normal(size=len(clusters))
        ignored += sign_flip_test(d[:, None], n_resamples=300, seed=rng)[0][0] < 0.05
    assert not shared or ignored > 1.5 * hits
