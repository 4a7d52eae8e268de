"""Distances and kernels against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import rbf_kernel as sklearn_rbf

from perturbridge.numerics import linear_kernel, median_squared_distance, rbf_kernel, squared_distances


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(6, 4))


def test_squared_distances_are_those_of_scipy(rows):
    assert np.allclose(squared_distances(*rows), cdist(*rows, "sqeuclidean"))


def test_equal_rows_far_from_the_origin_have_no_negative_distance():
    rows = 1e4 + 1e-3 * np.random.default_rng(0).normal(size=(60, 8))
    norms = (rows**2).sum(1)
    assert (norms[:, None] - 2 * rows @ rows.T + norms < 0).any()
    assert (squared_distances(rows, rows) >= 0).all()


def test_kernels_are_those_of_sklearn(rows):
    assert np.allclose(rbf_kernel(*rows, squared_scale=2.5), sklearn_rbf(*rows, gamma=1 / 5.0))
    assert np.allclose(linear_kernel(*rows), rows[0] @ rows[1].T)
    assert linear_kernel(rows[0], rows[0]).dtype == np.float64


def test_median_squared_distance_is_that_over_pairs(rows):
    assert median_squared_distance(rows[1]) == pytest.approx(np.median(pdist(rows[1], "sqeuclidean")))


def test_median_squared_distance_is_never_zero():
    rows = np.zeros((9, 2))
    assert median_squared_distance(rows) == 1.0
    assert median_squared_distance(rows[:1]) == 1.0
    rows[0] = 3.0
    assert median_squared_distance(rows) == pytest.approx(np.mean(pdist(rows, "sqeuclidean")))
    assert median_squared_distance(np.full((5, 3), 1 / 3)) == 1.0
