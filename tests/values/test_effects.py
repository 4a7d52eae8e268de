"""Effects: selection, matching controls, sampling variance by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.values import ContextTable, Effects, PerturbationName


def make_effects():
    rng = np.random.default_rng(3)
    contexts = ContextTable(
        names=("a", "b"),
        n_perturbed=np.array([[3, 1], [2, 2], [0, 5]]),
        n_control=np.array([10, 4]),
        control_mean=rng.random((2, 4)),
        control_variance=rng.random((2, 4)),
    )
    return Effects(
        perturbations=("A", "B", "A+B"),
        genes=("g1", "g2", "g3", "g4"),
        delta=rng.normal(size=(3, 4)),
        n_cells=np.array([4, 4, 5]),
        control_mean=rng.random(4),
        variance=rng.random((3, 4)),
        contexts=contexts,
        fingerprint="f",
    )


def test_take_keeps_rows_with_their_names():
    effects = make_effects()
    taken = effects.take((PerturbationName.parse("B+A"), PerturbationName.parse("A")))
    assert [str(p) for p in taken.perturbations] == ["A+B", "A"]
    np.testing.assert_array_equal(taken.delta, effects.delta[[2, 0]])
    np.testing.assert_array_equal(taken.contexts.n_perturbed, effects.contexts.n_perturbed[[2, 0]])
    np.testing.assert_array_equal(taken.sampling_variance(), effects.sampling_variance()[[2, 0]])
    assert taken.fingerprint == effects.fingerprint


def test_take_names_the_unknown_and_the_nearest():
    with pytest.raises(
        DataError, match=r"1 perturbations are not among the 3 measured, the first is C\. Nearest names"
    ):
        make_effects().take((PerturbationName.parse("C"),))


def test_matched_control_and_sampling_variance_by_hand():
    effects = make_effects()
    table = effects.contexts
    for p in range(3):
        w = table.n_perturbed[p] / table.n_perturbed[p].sum()
        np.testing.assert_allclose(
            effects.matched_control[p], w[0] * table.control_mean[0] + w[1] * table.control_mean[1]
        )
        expected = effects.variance[p] / effects.n_cells[p]
        expected = expected + w[0] ** 2 * table.control_variance[0] / 10 + w[1] ** 2 * table.control_variance[1] / 4
        np.testing.assert_allclose(effects.sampling_variance()[p], expected)


def test_profiles_alone_have_no_sampling_variance():
    effects = Effects.from_delta([[1.0, 2.0]], perturbations=["A"])
    assert effects.sampling_variance() is None
    assert effects.genes == ("g0", "g1")
    np.testing.assert_array_equal(effects.matched_control, np.zeros((1, 2)))


def test_records_are_frozen_and_checked():
    effects = make_effects()
    with pytest.raises(ValueError, match="read-only"):
        effects.delta[0, 0] = 1.0
    with pytest.raises(DataError, match=r"delta has 1 entries that are NaN or infinite, the first at \(0, 1\)"):
        Effects.from_delta([[0.0, np.nan]], perturbations=["A"])
    with pytest.raises(DataError, match=r"genes has 1 names that stand more than once, the first is 'x'"):
        Effects.from_delta([[0.0, 1.0]], perturbations=["A"], genes=["x", "x"])
