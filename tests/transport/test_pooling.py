"""Random-effects means of strata, against a brute-force likelihood and its limits."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from perturbridge.transport._pooling import pool_means


def restricted(between, means, noise):
    """ln of the density of D − weighted mean, written with a full covariance per dimension."""
    k, d = means.shape
    covariance = np.diag((between + noise) / d)
    inverse, ones = np.linalg.inv(covariance), np.ones((k, 1))
    information = ones.T @ inverse @ ones
    project = inverse - inverse @ ones @ np.linalg.inv(information) @ ones.T @ inverse
    misfit = np.einsum("ia,ij,ja->", means, project, means)
    return -0.5 * (d * (np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]) + misfit)


@pytest.mark.parametrize("seed", range(8))
def test_the_variance_between_strata_is_where_the_restricted_likelihood_is_largest(seed):
    rng = np.random.default_rng(seed)
    k, d = int(rng.integers(2, 6)), int(rng.integers(2, 20))
    noise = rng.uniform(0.1, 2.0, size=k)
    planted = rng.choice([0.0, 0.5, 5.0])
    means = rng.normal(size=d) + rng.normal(size=(k, d)) * np.sqrt((planted + noise[:, None]) / d)
    pooled = pool_means(means, noise)
    best = minimize_scalar(lambda t: -restricted(np.exp(t), means, noise), bounds=(-15, 6), method="bounded")
    # The grid has steps of a fifth.
    assert restricted(pooled.between, means, noise) >= max(-best.fun, restricted(0.0, means, noise)) - 0.05
    weights = 1 / (pooled.between + noise)
    assert pooled.common == pytest.approx(weights @ means / weights.sum())
    share = (pooled.between / (pooled.between + noise))[:, None]
    expected = share * means + (1 - share) * pooled.gain * pooled.common
    assert pooled.shifts == pytest.approx(expected)


def test_without_noise_every_stratum_keeps_its_own():
    means = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    pooled = pool_means(means, np.full(3, 1e-12))
    assert pooled.shifts == pytest.approx(means, abs=1e-5)
    assert pooled.own_share == pytest.approx(1.0, abs=1e-6)


def test_with_nothing_but_noise_every_stratum_moves_alike_and_hardly():
    rng = np.random.default_rng(0)
    gains, between = [], []
    for _ in range(50):
        pooled = pool_means(rng.normal(size=(4, 32)) / np.sqrt(32), np.ones(4))
        gains.append(pooled.gain)
        between.append(pooled.between)
        assert np.linalg.norm(pooled.shifts, axis=1).max() < 1.0
    assert np.mean(gains) < 0.15
    assert np.mean(between) < 0.15


def test_a_stratum_without_cells_moves_as_the_others_do():
    means = np.array([[1.0, 1.0], [99.0, 99.0], [1.2, 0.8]])
    pooled = pool_means(means, np.array([0.01, np.inf, 0.01]))
    assert pooled.shifts[1] == pytest.approx(pooled.gain * pooled.common)
    assert pooled.own_share[1] == 0.0
    assert np.abs(pooled.common).max() < 2.0


def test_noisier_strata_are_drawn_further():
    means = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]])
    pooled = pool_means(means, np.array([0.1, 0.1, 5.0]))
    assert pooled.own_share[2] < pooled.own_share[0]


def test_one_stratum_is_drawn_towards_zero_by_its_noise_alone():
    pooled = pool_means(np.array([[3.0, 4.0]]), np.array([5.0]))
    assert pooled.gain == pytest.approx(1 - 5.0 / 25.0)
    assert pooled.shifts[0] == pytest.approx(0.8 * np.array([3.0, 4.0]))
    assert not pool_means(np.array([[1.0, 0.0]]), np.array([5.0])).shifts.any()


def test_no_cells_at_all_move_nothing():
    pooled = pool_means(np.ones((2, 3)), np.full(2, np.inf))
    assert not pooled.shifts.any()
    assert (pooled.gain, pooled.noise) == (0.0, np.inf)


def test_unshrunk_means_are_left_as_they_are():
    means = np.array([[1.0, 0.0], [9.0, 9.0], [0.0, 2.0]])
    pooled = pool_means(means, np.array([5.0, np.inf, 7.0]), shrink=False)
    assert pooled.shifts[[0, 2]] == pytest.approx(means[[0, 2]])
    assert pooled.gain == 1.0


@pytest.mark.parametrize("shares", [[0.25, 0.25, 0.5], [0.1, 0.8, 0.1]])
@pytest.mark.parametrize("between", [0.0, 9.0])
def test_the_noise_is_that_of_the_mean_displacement(shares, between):
    rng = np.random.default_rng(0)
    noise, shares = np.array([0.5, 1.0, 2.0]), np.array(shares)
    centre = 10.0 + rng.normal(size=(3, 16)) * np.sqrt(between / 16)
    found, means = [], []
    for _ in range(400):
        pooled = pool_means(centre + rng.normal(size=(3, 16)) * np.sqrt(noise[:, None] / 16), noise, shares=shares)
        found.append(pooled.noise)
        means.append(shares @ pooled.shifts)
    assert np.mean(found) == pytest.approx(np.var(means, axis=0).sum(), rel=0.15)
