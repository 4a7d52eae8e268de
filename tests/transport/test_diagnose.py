"""What is said of a plan, against plans whose figures are known."""

import numpy as np
import pytest

from perturbridge.transport._diagnose import mass_report


def report(plan, left, right):
    return mass_report(plan, contexts=(np.asarray(left), np.asarray(right)), n_contexts=3)


def test_an_independent_plan():
    left, right = np.array([0, 0, 1, 2]), np.array([0, 1])
    found = report(np.full((4, 2), 1 / 8), left, right)
    assert found.mass == pytest.approx(1.0)
    assert found.violation == pytest.approx(0.0, abs=1e-12)
    assert found.effective_targets == pytest.approx(1.0)
    assert found.same_context == pytest.approx(found.same_context_expected) == pytest.approx(0.375)
    assert found.same_context_attainable == pytest.approx(0.75)


def test_a_permutation():
    found = report(np.eye(4)[[1, 0, 3, 2]] / 4, [0, 0, 1, 1], [0, 1, 0, 1])
    assert found.effective_targets == pytest.approx(1 / 4)
    assert found.same_context == pytest.approx(0.5)
    assert found.same_context_expected == pytest.approx(0.5)
    assert found.same_context_attainable == pytest.approx(1.0)


def test_a_plan_that_misses_its_marginals():
    plan = np.zeros((2, 2))
    plan[0, 0] = 0.42
    found = report(plan, [0, 1], [0, 1])
    assert found.mass == pytest.approx(0.42)
    assert found.violation == pytest.approx(2 * (0.08 + 0.5))
    assert found.same_context == pytest.approx(1.0)


def test_a_plan_without_mass():
    found = report(np.zeros((3, 2)), [0, 1, 2], [0, 1])
    assert found.mass == 0.0
    assert found.effective_targets == 0.0
    assert found.violation == pytest.approx(2.0)


def test_figures_do_not_depend_on_precision_or_order():
    rng = np.random.default_rng(0)
    plan = rng.gamma(0.3, size=(60, 40))
    plan /= plan.sum()
    left, right = rng.integers(0, 3, 60), rng.integers(0, 3, 40)
    rows, columns = rng.permutation(60), rng.permutation(40)
    expected = report(plan, left, right).figures()
    assert report(plan.astype(np.float32), left, right).figures() == pytest.approx(expected, rel=1e-4)
    assert report(plan[rows][:, columns], left[rows], right[columns]).figures() == pytest.approx(expected)
