"""Controls paired with controls: what is subtracted from every displacement."""

import numpy as np
import pytest

from perturbridge.transport._self_map import self_plan


def plan_of(x, own, epsilon):
    """The plan that the potentials stand for, in double precision."""
    cost = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    score = own.map.potentials.astype(float)[:, None] + own.map.potentials[None, :] - cost / epsilon
    score[cost == 0] = -np.inf
    plan = np.exp(score)
    return plan / plan.sum()


def drawn(n=200, n_dims=4):
    return np.random.default_rng(0).normal(size=(n, n_dims))


@pytest.mark.parametrize("epsilon", [4.0, 1.0, 0.3])
def test_marginals_are_met_and_barycentres_are_those_of_the_plan(epsilon):
    x = drawn()
    own = self_plan(x, epsilon=epsilon, tolerance=1e-5)
    plan = plan_of(x, own, epsilon)
    assert own.converged
    assert np.abs(plan.sum(axis=1) - 1 / 200).sum() < 1e-3
    assert own.at_controls == pytest.approx(plan @ x * 200, abs=1e-2)
    assert own.map(x) == pytest.approx(own.at_controls, abs=1e-4)


def test_the_mean_stays_where_it_is():
    x = drawn()
    own = self_plan(x, epsilon=1.0, tolerance=1e-5)
    assert own.at_controls.mean(axis=0) == pytest.approx(x.mean(axis=0), abs=1e-4)


def test_a_new_cell_is_put_where_controls_like_it_are():
    x = drawn(2000, 2)
    half = self_plan(x[:1000], epsilon=0.5, tolerance=1e-5)
    seen, unseen = (np.linalg.norm(half.map(part) - part, axis=1).mean() for part in (x[:1000], x[1000:]))
    assert unseen == pytest.approx(seen, rel=0.1)


def test_controls_that_stand_twice_are_not_paired_with_each_other():
    x = np.repeat(drawn(100), 2, axis=0)
    own, once = self_plan(x, epsilon=1.0, tolerance=1e-5), self_plan(x[::2], epsilon=1.0, tolerance=1e-5)
    assert own.converged
    assert own.at_controls[::2] == pytest.approx(once.at_controls, abs=1e-3)
    assert own.map(x) == pytest.approx(own.at_controls, abs=1e-4)


@pytest.mark.parametrize("far", [30.0, 300.0])
def test_a_control_far_from_all_others_goes_to_the_others(far):
    x = drawn()
    x[7] = far
    own = self_plan(x, epsilon=1.0, tolerance=1e-4)
    assert own.converged
    assert np.linalg.norm(own.at_controls[7]) < 10.0
    assert own.map(x) == pytest.approx(own.at_controls, abs=1e-3)


def test_two_controls_change_places():
    own = self_plan(np.array([[0.0, 0.0], [1.0, 2.0]]), epsilon=1.0, tolerance=1e-5)
    assert own.at_controls == pytest.approx(np.array([[1.0, 2.0], [0.0, 0.0]]), abs=1e-6)


def test_a_plan_that_cannot_be_met_is_said():
    # Three on a line with no pairs but the far ones: the middle one's partner has to take twice its mass.
    x = np.array([[0.0], [0.0], [0.0], [1.0]])
    assert not self_plan(x, epsilon=1.0, tolerance=1e-5).converged
