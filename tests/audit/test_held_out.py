"""Held-out samples: not biased without effect, never passed where samples are too few."""

from __future__ import annotations

import numpy as np
import pytest
from tests.audit._leaky import planted
from tests.audit._planted import subject_of

from perturbridge.audit._design import read_design
from perturbridge.audit._folds import held_out_sample_folds, random_folds, subsample
from perturbridge.audit._held_out import check_held_out
from perturbridge.audit._settings import AuditSettings

QUICK = AuditSettings(n_permutations=99)


def checked(cells, seed=0):
    subject = subject_of(cells.z, context=cells.context, sample=cells.sample)
    return check_held_out(subject, read_design(subject, QUICK), QUICK, rng=np.random.default_rng(seed))


def test_folds_hold_out_a_sample_of_every_context_together(rng):
    context_of_sample = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    folds = held_out_sample_folds(np.arange(8), context_of_sample, rng, crossed=False)
    for fold in range(3):
        assert set(context_of_sample[folds == fold]) == {0, 1}
    assert set(folds) == {0, 1, 2}


def test_random_folds_are_even_within_class_and_stratum(rng):
    codes, strata = rng.integers(3, size=999), rng.integers(4, size=999)
    folds = random_folds(codes, strata, n_folds=5, rng=rng)
    for k in range(3):
        for s in range(4):
            counts = np.bincount(folds[(codes == k) & (strata == s)], minlength=5)
            assert np.ptp(counts) <= 1


def test_a_subsample_keeps_small_classes(rng):
    codes = np.r_[np.zeros(50_000, int), np.ones(60, int)]
    rows = subsample(codes, 1_000, rng)
    assert len(rows) < 1_100
    assert (codes[rows] == 1).sum() >= 50
    assert np.array_equal(subsample(codes, 10**6, rng), np.arange(len(codes)))


def test_sample_effects_without_context_effect_average_a_half():
    values = []
    for seed in range(8):
        cells = planted(
            np.random.default_rng(seed),
            n_cells=500,
            n_dims=6,
            samples_per_context=4,
            sample_sd=0.3,
            condition_shift=0.0,
        )
        found = checked(cells, seed)
        values.append(np.mean([p["auc"] for p in found.figures["probes"] if p["probe"] == "linear"]))
        assert found.verdict != "fail"
    # Pooled leave-one-sample-out would average .32 here.
    assert np.mean(values) == pytest.approx(0.5, abs=0.06)


def test_two_samples_per_context_are_underpowered_however_strong(rng):
    cells = planted(rng, n_cells=600, samples_per_context=2, shift=3.0, sample_sd=0.3)
    found = checked(cells)
    assert found.effect > 0.9
    assert found.verdict == "underpowered"
    assert found.p_attainable == pytest.approx(1 / 3)
    assert found.p >= 1 / 3 - 1e-9


def test_a_context_effect_shared_by_many_samples_fails(rng):
    found = checked(planted(rng, n_cells=1_200, samples_per_context=6, shift=2.0, sample_sd=0.2))
    assert found.verdict == "fail"
    assert found.p <= 0.01


def test_crossed_samples_hold_out_whole_samples(rng):
    cells = planted(rng, n_cells=800, shift=1.5)
    sample = np.array([f"s{k}" for k in rng.integers(6, size=800)])
    subject = subject_of(cells.z, context=cells.context, sample=sample)
    found = check_held_out(subject, read_design(subject, QUICK), QUICK, rng=rng)
    assert found.figures["relation"] == "crossed"
    assert found.verdict == "fail"
    assert found.p == pytest.approx(0.01)


def test_one_sample_per_context_is_not_identifiable(rng):
    cells = planted(rng, n_cells=300, samples_per_context=1)
    found = checked(cells)
    assert found.verdict == "not_identifiable"
    assert "cannot be told apart" in found.evidence
