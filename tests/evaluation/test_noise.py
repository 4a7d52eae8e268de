"""The noise floor against cells drawn from a known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.evaluation import score, summarize
from perturbridge.evaluation._noise import noise_allowance, train_weights, unforeseeable_variance
from perturbridge.values import ContextTable, Effects, Prediction, as_names

N_GENES, N_TRAIN, N_TEST = 150, 30, 12


def measure(draw, rng, *, n_cells=40, n_control=(25, 35)):
    """Draw cells of every perturbation in two contexts and average them; returns effects and the true Δ."""
    n = N_TRAIN + N_TEST
    base, shift = rng.uniform(0.5, 2.0, N_GENES), rng.normal(0, 0.3, (2, N_GENES))
    truth = rng.normal(0, 0.25, (n, N_GENES)) + rng.normal(0, 0.3, N_GENES)
    control = [draw(rng, base + shift[b], n_control[b]) for b in range(2)]
    in_first = rng.integers(10, n_cells - 10, size=n)
    delta, variance = np.empty((n, N_GENES)), np.empty((n, N_GENES))
    for i in range(n):
        counts = (in_first[i], n_cells - in_first[i])
        parts = [draw(rng, base + truth[i] + shift[b], counts[b]) for b in range(2)]
        matched = sum(counts[b] / n_cells * control[b].mean(axis=0) for b in range(2))
        delta[i] = np.concatenate(parts).mean(axis=0) - matched
        # Within contexts: a shift between contexts cancels against the matched controls.
        variance[i] = sum(counts[b] * parts[b].var(axis=0, ddof=1) for b in range(2)) / n_cells
    effects = Effects(
        perturbations=as_names([f"P{i}" for i in range(n)]),
        genes=tuple(f"g{j}" for j in range(N_GENES)),
        delta=delta,
        n_cells=np.full(n, n_cells),
        control_mean=np.concatenate(control).mean(axis=0),
        variance=variance,
        contexts=ContextTable(
            names=("a", "b"),
            n_perturbed=np.stack([in_first, n_cells - in_first], axis=1),
            n_control=np.array(n_control),
            control_mean=np.array([c.mean(axis=0) for c in control]),
            control_variance=np.array([c.var(axis=0, ddof=1) for c in control]),
        ),
    )
    control_error = np.array([control[b].mean(axis=0) - base - shift[b] for b in range(2)])
    return effects, truth, control_error


def normal_cells(rng, mean, n):
    return mean + rng.normal(0, 1, (n, len(mean))) * (0.4 + 0.3 * np.abs(mean))


def count_cells(rng, mean, n):
    """Negative binomial counts with mean exp(mean)."""
    mu = np.exp(mean)
    return rng.negative_binomial(2.0, 2.0 / (2.0 + mu), size=(n, len(mean))).astype(float)


def predict(effects, rows, delta):
    names = effects.perturbations[rows]
    return Prediction(
        perturbations=names,
        genes=effects.genes,
        delta=delta,
        status=("predicted",) * len(names),
        detail=("",) * len(names),
        model="m",
    )


def mean_of(table):
    return summarize(table, n_resamples=100).set_index("metric")["mean"]


def test_a_model_that_learnt_all_there_is_sits_on_the_floor():
    """The truth, less the controls' error as every training row shows it: no fitted model can know more."""
    found = []
    for seed in range(6):
        effects, truth, control_error = measure(normal_cells, np.random.default_rng(seed))
        train, test = effects.perturbations[:N_TRAIN], slice(N_TRAIN, None)
        shared = effects.take(train).contexts.weights.mean(axis=0) @ control_error
        means = mean_of(score(predict(effects, test, truth[test] - shared), effects, train=train))
        found.append((means["rmse"], means["rmse_floor"]))
    rmse, floor = np.mean(found, axis=0)
    assert rmse == pytest.approx(floor, rel=0.01)


def test_the_whole_sampling_variance_is_the_error_of_the_bare_truth():
    found = []
    for seed in range(6):
        effects, truth, _ = measure(normal_cells, np.random.default_rng(seed))
        found.append((np.mean((effects.delta - truth) ** 2), effects.sampling_variance().mean()))
    error, expected = np.mean(found, axis=0)
    assert error == pytest.approx(expected, rel=0.06)


def test_floor_holds_for_counts():
    """Negative binomial cells, of which the expected difference in counts is known exactly."""
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        n, base = N_TRAIN + N_TEST, rng.uniform(0.2, 1.5, N_GENES)
        truth = rng.normal(0, 0.3, (n, N_GENES))
        control = count_cells(rng, base, 60)
        cells = [count_cells(rng, base + truth[i], 50) for i in range(n)]
        effects = Effects(
            perturbations=as_names([f"P{i}" for i in range(n)]),
            genes=tuple(f"g{j}" for j in range(N_GENES)),
            delta=np.array([c.mean(axis=0) for c in cells]) - control.mean(axis=0),
            n_cells=np.full(n, 50),
            control_mean=control.mean(axis=0),
            variance=np.array([c.var(axis=0, ddof=1) for c in cells]),
        )
        perfect = np.exp(base + truth[N_TRAIN:]) - control.mean(axis=0)
        table = score(predict(effects, slice(N_TRAIN, None), perfect), effects, train=effects.perturbations[:N_TRAIN])
        means = mean_of(table)
        found.append((means["rmse"] ** 2, means["rmse_floor"] ** 2))
    error, floor = np.mean(found, axis=0)
    assert error == pytest.approx(floor, rel=0.02)


def test_shared_controls_are_no_excuse():
    """With few controls the training mean beats a floor that counts their noise, and does not beat ours."""
    effects, _, _ = measure(normal_cells, np.random.default_rng(0), n_control=(4, 4))
    train, test = effects.take(effects.perturbations[:N_TRAIN]), effects.take(effects.perturbations[N_TRAIN:])
    mse = np.mean((test.delta - train.delta.mean(axis=0)) ** 2)
    ours = unforeseeable_variance(test, weights=train_weights(train)).mean()
    assert ours < mse < test.sampling_variance().mean()


def test_one_context_leaves_the_own_cells(make_effects):
    effects = make_effects(np.zeros((3, 5)), noise=1.0)
    one = replace(
        effects,
        contexts=ContextTable(
            names=("all",),
            n_perturbed=np.full((3, 1), 50),
            n_control=np.array([7]),
            control_mean=np.zeros((1, 5)),
            control_variance=np.ones((1, 5)),
        ),
    )
    np.testing.assert_allclose(unforeseeable_variance(one, weights=train_weights(one)), effects.variance / 50)
    bare = replace(effects, contexts=None)
    np.testing.assert_allclose(unforeseeable_variance(bare, weights=None), effects.variance / 50)
    assert unforeseeable_variance(replace(effects, variance=None), weights=None) is None


def test_formula_by_hand(make_effects):
    effects = make_effects(np.zeros((4, 3)), noise=1.0, seed=5)
    weights = train_weights(effects.take(effects.perturbations[1:]))
    found = unforeseeable_variance(effects.take(effects.perturbations[:1]), weights=weights)
    table = effects.contexts
    share = [table.n_perturbed[:, b] / 50 for b in range(2)]
    for g in range(3):
        by_hand = effects.variance[0, g] / 50 + sum(
            (share[b][0] - share[b][1:].mean()) ** 2 * table.control_variance[b, g] / table.n_control[b]
            for b in range(2)
        )
        assert found[0, g] == pytest.approx(by_hand, rel=1e-12)


def test_an_honest_sample_is_allowed_its_own_noise():
    """Cells drawn around profiles that differ: the allowance is their sampling variance, and brings the error to what it is."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.3, size=(40, 200))
    pred = truth + rng.normal(size=truth.shape) / np.sqrt(50)
    noise = np.full(truth.shape, 1 / 50)
    found = noise_allowance(pred, noise, np.full(truth.shape, 1 / 40))
    np.testing.assert_array_equal(found, noise)
    assert ((pred - truth) ** 2 - found).mean() == pytest.approx(0, abs=0.001)


def test_a_baseline_dressed_up_as_scattered_cells_is_allowed_nothing():
    """One profile for all, each made of cells that cancel around it: scatter, but no error of the mean."""
    pred = np.tile(np.random.default_rng(0).normal(size=50), (10, 1))
    assert noise_allowance(pred, np.full(pred.shape, 5.0), np.full(pred.shape, 0.1)).max() < 1e-25


def test_no_perturbation_is_allowed_more_than_its_measurement():
    rng = np.random.default_rng(1)
    pred = rng.normal(size=(6, 30))
    claimed = rng.uniform(0.01, 5.0, size=(6, 1)) * rng.uniform(0.5, 1.0, size=(6, 30))
    real = rng.uniform(0.01, 0.1, size=pred.shape)
    found = noise_allowance(pred, claimed, real)
    assert (found.sum(axis=1) <= real.sum(axis=1) * (1 + 1e-12)).all()
    assert (found <= claimed).all()
    assert not noise_allowance(pred, np.zeros(pred.shape), real).any()
