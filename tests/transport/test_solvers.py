"""Laws of every way to pair controls with perturbed cells; a new one joins through the table."""

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.transport import SOLVERS
from perturbridge.transport._self_map import self_plan
from perturbridge.transport.solvers import Problem

# Relaxed marginals answer to how far the clouds lie apart, which a common shift changes.
BALANCED = ("bures", "emd", "raw", "sinkhorn")


def problem_of(x, y, *, epsilon=0.2, **more):
    mean_cost = 2.0 * float(x.var(axis=0).sum())
    own = self_plan(x, epsilon=epsilon * mean_cost, tolerance=1e-5)
    given = {"tolerance": 1e-5, "reach": 1.0, "moved_share": 0.9} | more
    return Problem(x=x, y=y, epsilon=epsilon * mean_cost, self_at_x=own.at_controls, mean_cost=mean_cost, **given)


def clouds(n=120, m=60, n_dims=5, seed=0):
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(0, 0.3, n_dims))
    x, y = scale * rng.normal(size=(n, n_dims)), scale * rng.normal(size=(m, n_dims))
    return x, y * 1.3 + 2.0 * np.sign(y[:, :1]) + 1.0


@pytest.fixture(params=sorted(SOLVERS))
def name(request):
    return request.param


def displacements(name, problem):
    done = SOLVERS[name].solve(problem)
    assert done.converged, done.status
    return done.at_x - (problem.self_at_x if SOLVERS[name].debiased else problem.x)


def test_an_answer_is_finite_and_has_the_shape_of_the_controls(name):
    problem = problem_of(*clouds())
    done = SOLVERS[name].solve(problem)
    assert done.converged
    assert done.status == "converged"
    assert done.at_x.shape == problem.x.shape
    assert np.isfinite(done.at_x).all()


@pytest.mark.parametrize("name", BALANCED)
def test_perturbed_cells_that_move_together_move_every_control_with_them(name):
    x, y = clouds()
    shift = np.array([3.0, -1.0, 0.5, 20.0, 0.0])
    there = displacements(name, problem_of(x, y + shift))
    assert np.abs(there - displacements(name, problem_of(x, y)) - shift).max() < 2e-3


def test_the_order_of_cells_does_not_matter(name):
    x, y = clouds()
    rng = np.random.default_rng(1)
    left, right = rng.permutation(len(x)), rng.permutation(len(y))
    expected = displacements(name, problem_of(x, y))[left]
    assert displacements(name, problem_of(x[left], y[right])) == pytest.approx(expected, abs=2e-4)


def test_cells_that_stand_twice_count_twice_for_everyone(name):
    x, y = clouds()
    expected = displacements(name, problem_of(x, y))
    if name == "emd":
        # An exact plan is not unique with ties, but its cost is.
        costs = [
            float((p.cost * SOLVERS[name].solve(p).plan).sum())
            for p in (problem_of(x, y), problem_of(x, y[np.r_[:60, :60]]))
        ]
        assert costs[0] == pytest.approx(costs[1], rel=1e-5)
        return
    assert displacements(name, problem_of(x, np.concatenate([y, y]))) == pytest.approx(expected, abs=5e-3)


def test_where_the_origin_lies_does_not_matter(name):
    x, y = clouds()
    expected = displacements(name, problem_of(x, y))
    assert displacements(name, problem_of(x + 100.0, y + 100.0)) == pytest.approx(expected, abs=5e-3)


def test_the_unit_of_the_latent_does_not_matter(name):
    x, y = clouds()
    expected = 7.0 * displacements(name, problem_of(x, y))
    assert displacements(name, problem_of(7.0 * x, 7.0 * y)) == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("m", [1, 2, 7, 200])
def test_any_number_of_perturbed_cells_will_do(name, m):
    x, y = clouds(m=m)
    moved = displacements(name, problem_of(x, y))
    assert np.isfinite(moved).all()
    if m == 1 and name not in ("partial", "unbalanced", "bures"):
        done = SOLVERS[name].solve(problem_of(x, y))
        assert done.at_x == pytest.approx(np.broadcast_to(y[0], x.shape), abs=1e-4)


def test_perturbed_cells_that_are_all_alike_draw_everyone_to_them(name):
    x, y = clouds()
    there = np.broadcast_to(y[0], y.shape).copy()
    done = SOLVERS[name].solve(problem_of(x, there))
    assert done.converged
    if name == "bures":
        assert done.at_x.mean(axis=0) == pytest.approx(y[0], abs=1e-4)
        assert done.at_x.std(axis=0).max() < 0.1 * x.std()
    elif name != "partial":
        assert done.at_x == pytest.approx(there[np.zeros(len(x), dtype=int)], abs=1e-4)


def test_a_cell_of_the_plan_moves_through_its_map_as_in_the_plan(name):
    problem = problem_of(*clouds())
    done = SOLVERS[name].solve(problem)
    assert done.map(problem.x) == pytest.approx(done.at_x, abs=1e-4)


def test_a_cell_outside_the_plan_moves_as_its_neighbours_do(name):
    problem = problem_of(*clouds())
    done = SOLVERS[name].solve(problem)
    beside = problem.x + 1e-4 * np.random.default_rng(2).normal(size=problem.x.shape)
    assert done.map(beside) == pytest.approx(done.at_x, abs=5e-3)


@pytest.mark.parametrize("name", BALANCED)
def test_the_mean_goes_where_the_mean_of_the_perturbed_is(name):
    problem = problem_of(*clouds())
    assert SOLVERS[name].solve(problem).at_x.mean(axis=0) == pytest.approx(problem.y.mean(axis=0), abs=1e-3)


def test_a_plan_has_the_marginals_it_promises(name):
    problem = problem_of(*clouds())
    done = SOLVERS[name].solve(problem)
    if done.plan is None:
        assert name == "bures"
        return
    rows, columns = done.plan.sum(axis=1), done.plan.sum(axis=0)
    if done.balanced:
        assert np.abs(rows - 1 / 120).sum() + np.abs(columns - 1 / 60).sum() < 1e-4
    elif name == "partial":
        assert rows.max() <= 1 / 120 + 1e-5
        assert columns.max() <= 1 / 60 + 1e-5
        assert rows.sum() == pytest.approx(0.9, abs=1e-3)
    else:
        assert 0 < rows.sum() <= 1 + 1e-6


@pytest.mark.parametrize("m", [7, 60])
def test_a_half_of_the_cells_costs_what_it_costs_alone(m):
    problem = problem_of(*clouds(m=m))
    half = slice(0, m // 2)
    assert problem.part(half).cost == pytest.approx(replace(problem, y=problem.y[half]).cost, rel=1e-6)
