"""Sinkhorn's iteration: three attempts, each judged by its plan."""

import numpy as np
import pytest

from perturbridge.transport._kernel import costs, sinkhorn, solve_kernel
from perturbridge.transport.solvers import SOLVERS

from .test_solvers import clouds, problem_of


def marginals_off(plan):
    n, m = plan.shape
    return np.abs(plan.sum(axis=1) - 1 / n).sum() + np.abs(plan.sum(axis=0) - 1 / m).sum()


def steps():
    """Costs between a line and its threefold stretch."""
    x = np.linspace(0, 1, 60)[:, None]
    return costs(x, 3.0 * x + 0.3)


# ε in units of the mean cost: what each attempt still can do.
@pytest.mark.parametrize(("epsilon", "precision"), [(0.02, "float32"), (3e-3, "float64"), (1e-3, "float64, log")])
def test_a_sharper_plan_takes_another_attempt(epsilon, precision):
    cost = steps()
    done = sinkhorn(cost, epsilon=epsilon * float(cost.mean()), tolerance=1e-4)
    assert done.precision == precision
    assert done.finite
    assert done.violation <= 1e-4
    assert marginals_off(done.plan()) == pytest.approx(done.violation, abs=1e-5)
    assert done.mass == pytest.approx(1.0, abs=1e-3)


def test_attempts_agree_where_all_can():
    cost = costs(*clouds())
    strength = 0.2 * float(cost.mean())
    single = solve_kernel(cost, epsilon=strength, tolerance=1e-5)
    double = solve_kernel(cost.astype(np.float64), epsilon=strength, tolerance=1e-10)
    assert np.abs(single.plan() - double.plan()).sum() < 1e-4
    gap = single.log_v - double.log_v
    assert gap - gap.mean() == pytest.approx(0.0, abs=1e-3)


def test_the_costs_are_left_as_they_are():
    cost = costs(*clouds())
    before = cost.copy()
    sinkhorn(cost, epsilon=1.0, tolerance=1e-4)
    assert (cost == before).all()


def test_what_did_not_converge_is_said_and_has_no_plan():
    x, y = clouds()
    done = SOLVERS["sinkhorn"].solve(problem_of(x, y, epsilon=1e-4, tolerance=1e-6))
    assert not done.converged
    assert "iterations" in done.status
    assert done.plan is None


def test_costs_that_are_no_numbers_are_said():
    cost = costs(*clouds())
    cost[3] = np.nan
    done = sinkhorn(cost, epsilon=1.0)
    assert not done.finite


def test_costs_are_those_of_double_precision_far_from_the_origin():
    x, y = clouds()
    expected = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    assert costs(x + 1e4, y + 1e4) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert costs(x, x).min() >= 0


def test_clouds_that_lie_far_apart_are_paired_as_if_they_did_not():
    x, y = clouds()
    near, far = (sinkhorn(costs(x, y + c), epsilon=2.0, tolerance=1e-5) for c in (0.0, 50.0))
    assert far.finite
    assert far.barycentres(y) == pytest.approx(near.barycentres(y), abs=2e-2)
