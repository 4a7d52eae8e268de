"""Planted differences of contexts are called what they are; without one the check does not fail; laws."""

import numpy as np
import pytest
from tests.audit._planted import screen_like, subject_of

from perturbridge.audit._displacement import Cells, displacement_leak
from perturbridge.audit._pairing import assortativity
from perturbridge.audit._ratio import Ratio, balanced_folds
from perturbridge.audit._shuffles import shuffled_within
from perturbridge.audit._sinkhorn import entropic_plan
from perturbridge.audit._transport_fooled import check_transport


def audited(*, n_permutations=199, **planted):
    z, context, condition = screen_like(**planted)
    return check_transport(
        subject_of(z, context=context, condition=condition),
        n_permutations=n_permutations,
        seed=planted.get("seed", 0),
    )


@pytest.mark.parametrize("shape", [{}, {"skew": 0.3}, {"skew": 0.3, "heavy": True}, {"skew": 0.1, "n_contexts": 6}])
def test_without_a_context_effect_it_does_not_fail(shape):
    """Full form: `python -m tests.benchmarks transport_check`; 5 % of 12 would be less than one."""
    verdicts = [audited(n=600, seed=seed, **shape).verdict for seed in range(12)]
    assert verdicts.count("fail") <= 1


@pytest.mark.parametrize("seed", range(3))
def test_perturbations_that_do_nothing_are_underpowered_not_passed(seed):
    check = audited(n=600, effect=0.0, skew=0.3, seed=seed)
    assert check.verdict == "underpowered"
    assert "hardly more than sampling" in check.evidence


def test_the_share_is_that_of_the_design():
    """Two contexts 2 apart, 50 % of controls and 80 % of perturbed cells in the second: L = 0.6, D² = 1 + 0.36."""
    check = audited(n=6000, shift=2.0, skew=0.3)
    assert check.verdict == "fail"
    share = check.figures["displacement"]
    assert share["share"] == pytest.approx(0.6 / np.sqrt(1.36), abs=0.04)
    assert share["low"] < 0.6 / np.sqrt(1.36) < share["high"]
    assert share["placebo"] == pytest.approx(share["share"], abs=0.08)
    assert share["p"] == check.p_attainable
    assert "within their context" in check.cure


def test_displacement_is_biased_even_where_pairing_is_not_seen():
    check = audited(n=2400, d=16, shift=0.5, skew=0.3, n_perturbations=1)
    assert check.figures["displacement"]["share"] == pytest.approx(0.15, abs=0.06)
    assert check.figures["displacement"]["p"] <= 0.05
    assert check.figures["pairing"]["r"] < 0.06


def test_balanced_contexts_do_not_displace_but_pair_and_hide_the_effect():
    check = audited(n=3000, shift=3.0)
    assert check.figures["verdict_displacement"] == "pass"
    assert check.figures["verdict_noise"] == "fail"
    assert check.verdict == "fail"
    assert check.effect_name == "controls across contexts over effect"
    assert check.effect > 1
    assert check.figures["pairing"]["low"] > 0.4
    assert "its own controls" in check.cure


def test_a_small_shift_passes():
    assert audited(n=3000, shift=0.2, skew=0.2).verdict == "pass"


def test_order_names_place_turn_and_scale_change_nothing():
    z, context, condition = screen_like(n=500, shift=1.5, skew=0.3)
    rng = np.random.default_rng(3)
    turn, order = np.linalg.qr(rng.normal(size=(8, 8)))[0], rng.permutation(500)
    base = check_transport(subject_of(z, context=context, condition=condition), n_permutations=99).figures
    for other in (
        subject_of(7 * (z @ turn) + 20, context=context, condition=condition),
        subject_of(z[order], context=context[order], condition=condition[order]),
        subject_of(z, context=np.where(context == "c0", "zz", "aa"), condition=condition),
    ):
        found = check_transport(other, n_permutations=99).figures
        assert found["displacement"]["share"] == pytest.approx(base["displacement"]["share"], rel=1e-4)
        assert found["noise"]["ratio"] == pytest.approx(base["noise"]["ratio"], rel=1e-4)
        assert found["pairing"]["r"] == pytest.approx(base["pairing"]["r"], abs=1e-3)


def test_what_cannot_be_answered_is_said():
    z, context, condition = screen_like(n=200)
    assert check_transport(subject_of(z, context=context)).verdict == "info"
    assert not check_transport(subject_of(z, context=context)).gates
    nested = np.where(condition == "control", "c0", "c1")
    check = check_transport(subject_of(z, context=nested, condition=condition))
    assert check.verdict == "not_identifiable"
    assert check.gates
    assert "1 of 2 contexts" in check.evidence


def test_perturbed_cells_without_controls_are_counted():
    z, context, condition = screen_like(n=600, n_contexts=3)
    bare = (context == "c2") & (condition == "control")
    check = check_transport(subject_of(z[~bare], context=context[~bare], condition=condition[~bare]), n_permutations=99)
    expected = int(((context == "c2") & (condition != "control")).sum())
    assert check.figures["outside"] == expected
    assert "were left out" in check.evidence


def test_the_plan_is_the_entropic_one():
    """Marginals hold and log P + C/ε is a sum of a row and a column term: the conditions of the optimum, which is unique."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(25, 3)) + 0.5
    plan, epsilon = entropic_plan(x + 50, y + 50)
    assert plan.converged
    np.testing.assert_allclose(plan.mass.sum(axis=0), 1 / 25, rtol=1e-9)
    np.testing.assert_allclose(plan.mass.sum(axis=1), 1 / 40, atol=1e-4)
    pairs = [((a - b) ** 2).sum() for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    assert epsilon == pytest.approx(0.2 * np.mean(pairs), rel=1e-9)
    cost = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    scaled = np.log(plan.mass) + cost / epsilon
    rest = scaled - scaled.mean(axis=0) - scaled.mean(axis=1, keepdims=True) + scaled.mean()
    assert np.abs(rest).max() < 1e-6


def test_a_plan_survives_outliers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2))
    x[0] = 500.0
    assert entropic_plan(rng.normal(size=(100, 2)), x)[0].converged


def test_ratio_covers_the_truth_and_says_when_it_cannot():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        a, b = rng.normal(0.5, 1, size=400), rng.normal(1.0, 1, size=400)
        folds = np.arange(400) % 20
        copies = np.array([[a[folds != k].mean(), b[folds != k].mean()] for k in range(20)])
        low, high = Ratio(np.array([a.mean(), b.mean()]), copies).interval()
        covered += low <= 0.5 <= high
    assert 180 <= covered <= 200
    flat = Ratio(np.array([0.1, -0.1]), np.tile([0.1, -0.1], (20, 1)) + rng.normal(size=(20, 2)))
    assert flat.verdict(1.0) == "underpowered"
    assert np.isnan(flat.estimate)


def test_folds_are_even_over_small_groups():
    folds = balanced_folds(np.repeat(np.arange(50), 3), n_folds=20, rng=np.random.default_rng(0))
    assert np.ptp(np.bincount(folds, minlength=20)) <= 1


def test_squared_lengths_are_free_of_sampling():
    """Twelve controls in each of two contexts and no effect of either kind: both lengths have mean 0, with the noise they would not."""
    lengths = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        cells = Cells(
            control=rng.normal(size=(24, 4)),
            perturbed=rng.normal(size=(30, 4)),
            control_context=np.repeat([0, 1], 12),
            perturbed_context=np.repeat([0, 1], [3, 27]),
            perturbation=np.zeros(30, dtype=np.int64),
            control_strata=np.zeros(24, dtype=np.int64),
            perturbed_strata=np.zeros(30, dtype=np.int64),
        )
        lengths.append(displacement_leak(cells, n_permutations=9, rng=rng).leak.whole)
    mean, error = np.mean(lengths, axis=0), np.std(lengths, axis=0) / np.sqrt(80)
    added = np.array([0.4**2 * 2 / 12, 1 / 30 + 1 / 24]) * 4
    assert (np.abs(mean) < 3 * error).all()
    assert (added > 4 * error).all()


def test_expected_mass_is_the_mean_over_shuffles_inside_strata():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(60, 2)), rng.normal(size=(80, 2))
    strata = np.repeat([0, 1], 40)
    of_source = (source[:, 0] + rng.normal(size=60) > 0.5).astype(np.int64)
    of_target = (rng.random(80) < np.where(strata == 0, 0.2, 0.9)).astype(np.int64)
    found = assortativity(
        source, target, contexts=(of_source, of_target), strata=strata, n_permutations=99, rng=np.random.default_rng(1)
    )
    mass = found.plan.mass
    shuffles = shuffled_within(of_target, strata, n_shuffles=4000, rng=rng)
    drawn = [mass[of_source[:, None] == codes[None, :]].sum() for codes in shuffles]
    assert found.expected == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(4000))
    assert found.same == pytest.approx(mass[of_source[:, None] == of_target[None, :]].sum())
    assert all(
        (np.bincount(codes[strata == 0], minlength=2) == [(of_target[:40] == 0).sum(), of_target[:40].sum()]).all()
        for codes in shuffles[:20]
    )
