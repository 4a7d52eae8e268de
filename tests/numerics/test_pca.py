"""Streaming PCA against a dense singular value decomposition."""

import numpy as np
import pytest
from scipy import sparse

from perturbridge.numerics import streaming_pca


def rows_of(x, step):
    return lambda: (sparse.csr_matrix(x[i : i + step]) for i in range(0, len(x), step))


@pytest.mark.parametrize("step", [7, 64, 1000])
def test_equals_the_svd_of_the_features_of_greatest_variance(step):
    rng = np.random.default_rng(0)
    x = rng.poisson(0.5, size=(200, 30)) * rng.uniform(0.1, 3, size=30) + np.where(np.arange(30) == 4, 1e3, 0.0)
    pca = streaming_pca(rows_of(x, step), n_components=5, n_features=12)
    kept = np.sort(np.argsort(-x.var(axis=0))[:12])
    np.testing.assert_array_equal(pca.columns, kept)
    centred = x[:, kept] - x[:, kept].mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(pca.variance, s[:5] ** 2 / 199, rtol=1e-9)
    np.testing.assert_allclose(
        np.abs(pca.project(sparse.csr_matrix(x))), np.abs(u[:, :5] * s[:5]), rtol=1e-6, atol=1e-7
    )
    assert pca.total_variance == pytest.approx(centred.var(axis=0, ddof=1).sum(), rel=1e-9)


def test_sign_does_not_depend_on_the_stretches():
    x = np.random.default_rng(1).normal(size=(60, 8))
    a, b = (streaming_pca(rows_of(x, step), n_components=3, n_features=8) for step in (5, 60))
    np.testing.assert_allclose(a.components, b.components, atol=1e-10)
    assert (a.components[np.arange(3), np.abs(a.components).argmax(axis=1)] > 0).all()


def test_features_that_do_not_vary_are_never_used():
    x = np.column_stack([np.full(20, 5.0), np.arange(20.0), np.zeros(20)])
    pca = streaming_pca(rows_of(x, 6), n_components=16, n_features=10)
    assert pca.columns.tolist() == [1]
    assert pca.components.shape == (1, 1)
    assert streaming_pca(rows_of(np.ones((9, 2)), 4), n_components=2, n_features=2) is None
    assert streaming_pca(rows_of(np.ones((1, 2)), 4), n_components=2, n_features=2) is None
