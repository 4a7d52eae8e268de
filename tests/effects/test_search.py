"""The choice of a penalty and the shrinkage to the mean, each against its definition."""

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.effects._design import Design
from perturbridge.effects._problem import Problem
from perturbridge.effects._search import choose_alpha, try_kernel, unit_of
from perturbridge.effects._shrinkage import agreement_by_chance, shrink_to_mean
from perturbridge.numerics import LooRidge
from perturbridge.values import as_names


def planted(*, noise, seed=0, n=40):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 5))
    return features, features @ rng.normal(size=(5, 12)) + noise * rng.normal(size=(n, 12))


@pytest.mark.parametrize("start", [1e-4, 0.3, 1e3])
def test_walk_reaches_the_lowest_error_from_anywhere(start):
    ridge = LooRidge.from_features(*planted(noise=3.0))
    grid = np.logspace(-4, 3, 57)
    errors = [ridge.loo_error(a * unit_of(ridge)) for a in grid]
    assert choose_alpha(ridge, grid, start=start) == grid[int(np.argmin(errors))]
    assert 0 < int(np.argmin(errors)) < 56


@pytest.mark.parametrize("noise", [0.01, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_coarse_look_then_descent_finds_the_lowest_of_all(noise, seed):
    features, targets = planted(noise=noise, seed=seed)
    problem = Problem(design=Design.of(as_names(f"G{i:02d}" for i in range(40))), targets=targets, weights=None)
    kernel = features @ features.T
    ridge, grid = problem.ridge(kernel), np.logspace(-4, 3, 57)
    errors = [ridge.loo_error(a * unit_of(ridge)) for a in grid]
    trial = try_kernel(problem, kernel, grid)
    assert (trial.error, trial.alpha) == (min(errors), grid[int(np.argmin(errors))])


def test_mean_alone_is_chosen_where_every_penalty_is_worse():
    features, targets = planted(noise=1.0)
    ridge = LooRidge.from_features(features, np.random.default_rng(1).permutation(targets))
    assert choose_alpha(ridge, [1e-4, 1e-3], start=1e-3) == np.inf
    assert choose_alpha(LooRidge.from_features(features, targets), [1e-4, 1e-3], start=1e-3) == 1e-3


def test_unit_is_one_for_features_without_spread():
    assert unit_of(LooRidge.from_features(np.ones((6, 2)), np.arange(12.0).reshape(6, 2))) == 1.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("noise", [0.5, 5.0, 8.0])
def test_shrinkage_follows_its_formula(weighted, noise):
    features, targets = planted(noise=noise)
    weights = np.random.default_rng(2).uniform(0.2, 2, 40) if weighted else np.ones(40)
    weights /= weights.mean()
    ridge = LooRidge.from_features(features, targets, weights=weights)
    alpha = 0.3 * unit_of(ridge)
    without, left = ridge.loo_residuals(np.inf), ridge.loo_residuals(alpha)
    agreement = weights * (without * (without - left)).sum(1)
    slope = agreement.sum() / (weights @ (without - left) ** 2).sum()
    luck = min(2.3 * agreement.std(ddof=1) * np.sqrt(2 * 40), 3.5 * agreement_by_chance(ridge, alpha))
    factor = min(1, slope) * max(0.0, 1 - (luck / agreement.sum()) ** 8)
    found = shrink_to_mean(ridge, alpha, by_direction=False)
    assert found.factor == pytest.approx(factor, rel=1e-10)
    shrunken = without - factor * (without - left)
    assert found.loo_r2 == pytest.approx(1 - (weights @ shrunken**2).sum() / (weights @ without**2).sum(), rel=1e-9)
    assert 0 < factor < 1


@pytest.mark.parametrize("case", ["plain", "weighted", "grouped", "wide", "features"])
def test_agreement_by_chance_is_its_spread_over_dealt_responses(case):
    """The oracle deals the weighted responses anew, refits, and looks at the sum itself."""
    rng = np.random.default_rng(3)
    features, targets = planted(noise=3.0, n=30)
    features = np.hstack([features, 0.3 * rng.normal(size=(30, 40))]) if case != "features" else features
    if case == "wide":
        targets = targets @ rng.normal(size=(12, 100))
    weights = rng.uniform(0.3, 2, 30) if case == "weighted" else None
    groups = (np.array([0, 7]), np.array([3, 4, 5])) if case == "grouped" else ()
    ridge = LooRidge.from_features(features, targets, weights=weights)
    alpha, sums = unit_of(ridge), []
    for _ in range(400):
        dealt = rng.permutation(ridge.targets)
        dealt -= np.outer(ridge.direction, ridge.direction @ dealt)
        again = replace(ridge, targets=dealt)
        without = again.loo_residuals(np.inf, groups=groups)
        step = without - again.loo_residuals(alpha, groups=groups)
        sums.append((ridge.root_weights[:, None] ** 2 * without * step).sum())
    assert agreement_by_chance(ridge, alpha, groups) == pytest.approx(np.std(sums), rel=0.2)
    assert abs(np.mean(sums)) < 0.35 * np.std(sums)


def test_shrinkage_drops_what_left_out_rows_contradict():
    features, targets = planted(noise=0.1)
    factors = []
    for seed in range(10):
        ridge = LooRidge.from_features(features, np.random.default_rng(seed).permutation(targets))
        found = shrink_to_mean(ridge, unit_of(ridge))
        assert found.loo_r2 >= 0
        factors.append(found.factor)
        assert shrink_to_mean(ridge, np.inf).factor == 0.0
    assert np.median(factors) < 0.1
    assert shrink_to_mean(LooRidge.from_features(features, targets), 0.1).factor > 0.95


def test_shrinkage_removes_most_of_the_loss_of_choosing_on_noise():
    """Over many unrelated data sets the choice of α promises too much; shrinking takes back most of the damage."""
    plain, shrunken = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        features, targets, new = rng.normal(size=(25, 6)), rng.normal(size=(25, 4)), rng.normal(size=(200, 6))
        ridge = LooRidge.from_features(features, targets)
        alpha = choose_alpha(ridge, np.logspace(-4, 3, 57), start=1.0) * unit_of(ridge)
        coefficients, intercept = ridge.solve(alpha)
        step = new @ coefficients + intercept - ridge.mean
        # The truth is 0 everywhere; the mean is the best prediction and any step from it is loss.
        plain.append((step**2).sum(1).mean())
        shrunken.append(((shrink_to_mean(ridge, alpha).factor * step) ** 2).sum(1).mean())
    assert np.mean(shrunken) < 0.5 * np.mean(plain)
