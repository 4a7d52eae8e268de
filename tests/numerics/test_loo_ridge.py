"""Exact leave-one-out: compared with refitting, not with another shortcut."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import Ridge, RidgeCV

from perturbridge.numerics import LooRidge, linear_kernel, rbf_kernel

ALPHAS = (1e-3, 0.1, 1.0, 30.0)


def problem(n_rows, n_dims, *, seed=0, n_targets=3):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, n_dims)) + 2.0
    targets = features @ rng.normal(size=(n_dims, n_targets)) + rng.normal(size=(n_rows, n_targets)) + 5.0
    return features, targets, rng.uniform(0.2, 3.0, n_rows), rng.integers(1, 4, n_rows).astype(float)


def refit(kernel, targets, *, alpha, weights, multiplier):
    """Solve the penalized problem through its stationary equations; returns a function of new kernel rows and multipliers."""
    n = len(targets)
    system = np.zeros((n + 1, n + 1))
    system[:n, :n] = kernel + alpha * np.diag(1 / weights)
    system[:n, n] = system[n, :n] = multiplier
    solution = np.linalg.solve(system, np.vstack([targets, np.zeros((1, targets.shape[1]))]))
    return lambda rows, v: rows @ solution[:n] + v[:, None] * solution[n]


def left_out(kernel, targets, groups, *, alpha, weights, multiplier):
    out = np.empty_like(targets)
    for rows in groups:
        keep = np.setdiff1d(np.arange(len(targets)), rows)
        model = refit(
            kernel[np.ix_(keep, keep)], targets[keep], alpha=alpha, weights=weights[keep], multiplier=multiplier[keep]
        )
        out[rows] = targets[rows] - model(kernel[np.ix_(rows, keep)], multiplier[rows])
    return out


def test_the_oracle_solves_the_stated_problem():
    features, targets, weights, multiplier = problem(6, 2, n_targets=1)
    model = refit(linear_kernel(features, features), targets, alpha=0.7, weights=weights, multiplier=multiplier)

    def loss(x):
        fitted = multiplier * x[0] + features @ x[1:]
        return weights @ (targets[:, 0] - fitted) ** 2 + 0.7 * x[1:] @ x[1:]

    best = minimize(loss, np.zeros(3), tol=1e-14).x
    fitted = model(linear_kernel(features, features), multiplier)[:, 0]
    assert np.allclose(fitted, multiplier * best[0] + features @ best[1:], atol=1e-4)


@pytest.mark.parametrize("shape", [(12, 30), (25, 4), (15, 15)])
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("kind", ["kernel", "features"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("multiplied", [False, True])
def test_left_out_residuals_equal_refits(shape, alpha, kind, weighted, multiplied):
    features, targets, weights, multiplier = problem(*shape)
    weights = weights / weights.mean() if weighted else np.ones(shape[0])
    multiplier = multiplier if multiplied else np.ones(shape[0])
    kernel = linear_kernel(features, features)
    given = kernel if kind == "kernel" else features
    ridge = getattr(LooRidge, f"from_{kind}")(given, targets, weights=weights, multiplier=multiplier)
    wanted = left_out(
        kernel, targets, [np.array([i]) for i in range(shape[0])], alpha=alpha, weights=weights, multiplier=multiplier
    )
    assert np.abs(ridge.loo_residuals(alpha) - wanted).max() < 1e-8 * np.abs(wanted).max()
    assert ridge.loo_error(alpha) == pytest.approx(np.average((wanted**2).sum(1), weights=weights), rel=1e-8)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_left_out_residuals_of_several_sources_equal_refits(alpha):
    first, targets, weights, multiplier = problem(20, 5)
    second = problem(20, 7, seed=1)[0]
    kernel = 0.3 * linear_kernel(first, first) + 0.7 * rbf_kernel(second, second, squared_scale=6.0)
    ridge = LooRidge.from_kernel(kernel, targets, weights=weights, multiplier=multiplier)
    wanted = left_out(
        kernel,
        targets,
        [np.array([i]) for i in range(20)],
        alpha=alpha,
        weights=weights / weights.mean(),
        multiplier=multiplier,
    )
    assert np.abs(ridge.loo_residuals(alpha) - wanted).max() < 1e-8


@pytest.mark.parametrize("shape", [(14, 30), (25, 4)])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_groups_that_leave_together_equal_refits(shape, alpha):
    features, targets, weights, multiplier = problem(*shape)
    groups = [np.array([0, 3, 5]), np.array([1, 2])]
    alone = [np.array([i]) for i in range(shape[0]) if not any(i in g for g in groups)]
    kernel = linear_kernel(features, features)
    ridge = LooRidge.from_features(features, targets, weights=weights, multiplier=multiplier)
    wanted = left_out(
        kernel, targets, groups + alone, alpha=alpha, weights=weights / weights.mean(), multiplier=multiplier
    )
    assert np.abs(ridge.loo_residuals(alpha, groups=groups) - wanted).max() < 1e-8 * np.abs(wanted).max()
    part = ridge.loo_residuals(alpha, columns=slice(1, 3), groups=groups)
    assert np.abs(part - wanted[:, 1:3]).max() < 1e-8 * np.abs(wanted).max()
    squared = weights / weights.mean() * (wanted**2).sum(1)
    assert np.allclose(ridge.loo_squared(alpha, groups=groups), squared, rtol=1e-8)
    assert ridge.loo_error(alpha, groups=groups) == pytest.approx(squared.mean(), rel=1e-8)


def test_products_and_direct_form_agree():
    """More targets than components takes the path that is free of the number of targets."""
    for shape in ((12, 30), (25, 4)):
        features, targets, weights, _ = problem(*shape, n_targets=60)
        ridge = LooRidge.from_features(features, targets, weights=weights)
        for alpha in ALPHAS:
            direct = np.average((ridge.loo_residuals(alpha) ** 2).sum(1), weights=weights)
            assert ridge.loo_error(alpha) == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize("shape", [(12, 30), (25, 4)])
@pytest.mark.parametrize("kind", ["kernel", "features"])
def test_solution_is_that_of_sklearn(shape, kind):
    features, targets, weights, _ = problem(*shape)
    new = problem(5, shape[1], seed=9)[0]
    weights /= weights.mean()
    kernel = linear_kernel(features, features)
    ridge = (
        LooRidge.from_kernel(kernel, targets, weights=weights)
        if kind == "kernel"
        else LooRidge.from_features(features, targets, weights=weights)
    )
    for alpha in ALPHAS:
        coefficients, intercept = ridge.solve(alpha)
        rows = linear_kernel(new, features) if kind == "kernel" else new
        wanted = Ridge(alpha=alpha).fit(features, targets, sample_weight=weights).predict(new)
        assert np.allclose(rows @ coefficients + intercept, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", [(40, 60), (60, 10)])
def test_path_is_that_of_ridge_cv(shape):
    features, targets, _, _ = problem(*shape, n_targets=80)
    grid = np.logspace(-3, 4, 20)
    ridge = LooRidge.from_features(features, targets)
    errors = [ridge.loo_error(alpha) for alpha in grid]
    theirs = RidgeCV(grid, store_cv_results=True).fit(features, targets)
    assert np.allclose(np.array(errors) / targets.shape[1], theirs.cv_results_.mean(axis=(0, 1)), rtol=1e-8)
    assert grid[int(np.argmin(errors))] == theirs.alpha_


def test_infinite_penalty_is_the_weighted_mean():
    features, targets, weights, _ = problem(10, 4)
    for ridge, rows in (
        (LooRidge.from_features(features, targets, weights=weights), features),
        (
            LooRidge.from_kernel(linear_kernel(features, features), targets, weights=weights),
            linear_kernel(features, features),
        ),
    ):
        coefficients, intercept = ridge.solve(np.inf)
        assert np.allclose(rows @ coefficients + intercept, np.average(targets, axis=0, weights=weights))
        assert ridge.loo_error(np.inf) == pytest.approx(ridge.loo_error(1e15), rel=1e-6)


def test_dropping_the_intercept_from_the_leverage_would_be_noticed():
    """The first version of this formula forgot u², which makes weak penalties look too good."""
    features, targets, _, _ = problem(12, 30)
    ridge = LooRidge.from_features(features, targets)
    wrong = ridge._residuals(1e-3) / (ridge._slack(1e-3) + ridge.direction**2)[:, None]
    assert np.mean(wrong**2) < 0.9 * np.mean(ridge.loo_residuals(1e-3) ** 2)


def test_features_without_spread_leave_the_mean():
    targets = problem(8, 3)[1]
    for shape in ((8, 3), (8, 20)):
        ridge = LooRidge.from_features(np.ones(shape), targets)
        coefficients, intercept = ridge.solve(0.1)
        assert np.allclose(np.ones(shape) @ coefficients + intercept, targets.mean(0))
        assert ridge.loo_error(0.1) == pytest.approx(ridge.loo_error(np.inf))


def test_scale_of_weights_does_not_matter():
    features, targets, weights, _ = problem(9, 3)
    one, thousand = (LooRidge.from_features(features, targets, weights=w) for w in (weights, 1000 * weights))
    assert one.loo_error(0.5) == pytest.approx(thousand.loo_error(0.5), rel=1e-12)


def test_leverage_is_the_change_of_the_fit_with_its_own_target():
    features, targets, weights, multiplier = problem(9, 3)
    step = np.zeros_like(targets)
    step[4] = 1e-3

    def fitted(y):
        coefficients, intercept = LooRidge.from_features(features, y, weights=weights, multiplier=multiplier).solve(0.5)
        return features @ coefficients + multiplier[:, None] * intercept

    leverage = LooRidge.from_features(features, targets, weights=weights, multiplier=multiplier).leverages(0.5)[4]
    assert (fitted(targets + step) - fitted(targets))[4] / 1e-3 == pytest.approx(leverage, rel=1e-6)
