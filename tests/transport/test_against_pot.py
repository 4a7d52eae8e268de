"""Solvers of other libraries, asked the same."""

import numpy as np
import ot
import pytest
from scipy.optimize import linear_sum_assignment

from perturbridge.transport import SOLVERS
from perturbridge.transport._kernel import costs, sinkhorn

from .test_solvers import clouds, problem_of


def uniform(n):
    return np.full(n, 1.0 / n)


@pytest.mark.parametrize("epsilon", [0.5, 0.2, 0.1])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_single_precision_agrees_with_double(epsilon, offset):
    x, y = clouds(n=300, m=100, n_dims=16)
    exact = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    strength = epsilon * exact.mean()
    plan = ot.sinkhorn(uniform(300), uniform(100), exact, strength, numItermax=20_000, stopThr=1e-12)
    expected = plan @ y / plan.sum(axis=1, keepdims=True)
    found = sinkhorn(costs(x + offset, y + offset), epsilon=strength, tolerance=1e-5)
    assert found.precision == "float32"
    gap = np.linalg.norm(found.barycentres(y) - expected) / np.linalg.norm(expected - x)
    assert gap < 1e-3
    assert np.abs(found.plan() - plan).sum() < 1e-3


def test_an_exact_plan_is_an_optimal_assignment():
    x, y = clouds(n=80, m=80)
    problem = problem_of(x, y)
    rows, columns = linear_sum_assignment(problem.cost)
    assert SOLVERS["emd"].solve(problem).at_x[rows] == pytest.approx(y[columns], abs=1e-5)


def test_the_map_between_gaussians():
    x, y = clouds(n=4000, m=4000)
    linear, constant = ot.gaussian.bures_wasserstein_mapping(
        x.mean(axis=0),
        y.mean(axis=0),
        *(np.cov(z, rowvar=False) * (1 - 1 / 4000) + 1e-3 * x.var(axis=0).mean() * np.eye(5) for z in (x, y)),
    )
    assert SOLVERS["bures"].solve(problem_of(x, y)).at_x == pytest.approx(x @ linear + constant, abs=1e-6)


@pytest.mark.parametrize("epsilon", [0.2, 0.05, 0.01])
def test_where_an_unbalanced_plan_leads(epsilon):
    problem = problem_of(*clouds(), epsilon=epsilon)
    plan = ot.unbalanced.sinkhorn_unbalanced(
        uniform(120), uniform(60), problem.cost.astype(float), problem.epsilon, problem.mean_cost,
        reg_type="kl", method="sinkhorn_translation_invariant", numItermax=20_000, stopThr=1e-10,
    )  # fmt: skip
    expected = plan @ problem.y / plan.sum(axis=1, keepdims=True)
    done = SOLVERS["unbalanced"].solve(problem)
    assert done.converged
    assert done.at_x == pytest.approx(expected, abs=1e-3)


def test_where_a_partial_plan_leads():
    problem = problem_of(*clouds(), moved_share=0.5)
    plan = ot.partial.entropic_partial_wasserstein(
        uniform(120), uniform(60), problem.cost.astype(float), problem.epsilon, m=0.5, numItermax=5000, stopThr=1e-12
    )
    mass = plan.sum(axis=1, keepdims=True)
    done = SOLVERS["partial"].solve(problem)
    expected = np.where(mass > 1e-6 / 120, problem.x + plan @ problem.y / mass - problem.self_at_x, problem.x)
    assert done.at_x == pytest.approx(expected, abs=1e-3)


def test_the_stabilized_unbalanced_iteration_of_pot_is_still_wrong():
    """Why ours is the plain one; should this fail, POT has been mended."""
    problem = problem_of(*clouds(), epsilon=0.01)
    plan = ot.unbalanced.sinkhorn_unbalanced(
        uniform(120), uniform(60), problem.cost.astype(float), problem.epsilon, problem.mean_cost,
        reg_type="kl", method="sinkhorn_stabilized",
    )  # fmt: skip
    assert plan.sum() < 1e-6
