"""Cramér's V: corrected for chance, symmetric, and that of scipy where tables are large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats.contingency import association

from perturbridge.numerics import cramers_v


def of(a, b):
    """Of two labels of the same cells."""
    table = np.zeros((a.max() + 1, b.max() + 1), dtype=np.int64)
    np.add.at(table, (a, b), 1)
    return cramers_v(table)


def test_large_tables_agree_with_scipy():
    table = np.random.default_rng(0).integers(1, 50, (9, 5)) * 10_000
    assert cramers_v(table) == pytest.approx(association(table, method="cramer"), abs=1e-4)


def test_small_perturbations_are_not_confounded_by_chance():
    rng = np.random.default_rng(1)
    tables = [rng.multinomial(8, np.ones(20) / 20, size=200) for _ in range(20)]
    # Without correction many small rows look far from independent.
    assert np.mean([association(t, method="cramer") for t in tables]) > 0.2
    assert np.mean([cramers_v(t) for t in tables]) < 0.03


def test_complete_and_undefined():
    assert cramers_v(np.eye(4, dtype=int) * 1000) == pytest.approx(1, abs=1e-3)
    assert np.isnan(cramers_v(np.array([[3, 4]])))
    assert np.isnan(cramers_v(np.zeros((0, 3), dtype=int)))


def test_association_is_one_for_the_same_and_near_nothing_for_independent():
    rng = np.random.default_rng(0)
    a = rng.integers(4, size=5_000)
    assert of(a, a) == pytest.approx(1.0, abs=1e-3)
    assert of(a, rng.integers(6, size=5_000)) < 0.03


@given(st.integers(0, 1_000), st.integers(1, 5), st.integers(1, 5))
def test_association_is_symmetric_and_bounded(seed, k, m):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(k, size=50), rng.integers(m, size=50)
    v = of(a, b)
    if np.isnan(v):
        return
    assert 0 <= v <= 1
    assert v == pytest.approx(of(b, a))


def test_small_samples_of_independent_labels_average_little():
    values = [of(*np.random.default_rng(s).integers(3, size=(2, 60))) for s in range(300)]
    assert np.mean(values) < 0.09  # the plain V averages .18 here
