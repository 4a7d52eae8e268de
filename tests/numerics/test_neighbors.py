"""Exact neighbours against scikit-learn, with more rows than one block holds."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from perturbridge.numerics import _neighbors, nearest_rows


def test_neighbours_are_those_of_sklearn(monkeypatch):
    monkeypatch.setattr(_neighbors, "_BLOCK_VALUES", 50)
    rng = np.random.default_rng(0)
    queries, references = rng.normal(size=(23, 3)), rng.normal(size=(17, 3))
    indices, distances = nearest_rows(queries, references, k=4)
    theirs, where = NearestNeighbors(n_neighbors=4).fit(references).kneighbors(queries)
    assert np.array_equal(indices, where)
    assert np.allclose(distances, theirs**2)


def test_ties_go_to_the_lower_index():
    rows = np.ones((400, 2))
    rows[::7] = 2.0
    indices, distances = nearest_rows(np.zeros((1, 2)), rows, k=50)
    assert indices[0].tolist() == [i for i in range(400) if i % 7][:50]
    assert np.allclose(distances, 2.0)
