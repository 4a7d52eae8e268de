"""Laws of every probe of the ladder, and the closed form against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier

from perturbridge.audit._classification import classify
from perturbridge.audit.probes._linear import linear_scores
from perturbridge.audit.probes._neighbors import neighbor_scores
from perturbridge.audit.probes._probe import LADDER, ladder_for

every = pytest.mark.parametrize("probe", LADDER, ids=lambda p: p.name)


def data(rng, n=300, k=3, d=4):
    codes = rng.integers(k, size=n)
    z = rng.normal(size=(n, d))
    z[:, 0] += 2.0 * codes
    return z, codes


@every
def test_scores_are_log_probabilities_that_read_what_is_there(probe, rng):
    z, codes = data(rng)
    log_p = probe.scores(z[:200], codes[:200], z[200:], n_classes=3)
    assert log_p.shape == (100, 3)
    assert np.isfinite(log_p).all()
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=0.05)
    assert classify(log_p, codes[200:]).balanced_accuracy > 0.6


@every
def test_a_class_without_training_cells_has_a_column(probe, rng):
    z, codes = data(rng)
    log_p = probe.scores(z[codes < 2], codes[codes < 2], z, n_classes=3)
    assert log_p.shape == (300, 3)
    assert np.isfinite(log_p).all()
    assert (log_p.argmax(axis=1) == 2).mean() < 0.02


@every
def test_one_class_in_training_is_no_error(probe, rng):
    z, _ = data(rng)
    assert np.isfinite(probe.scores(z, np.zeros(300, int), z, n_classes=2)).all()


@every
def test_shifting_everything_changes_nothing(probe, rng):
    z, codes = data(rng)
    a = probe.scores(z[:200], codes[:200], z[200:], n_classes=3)
    b = probe.scores(z[:200] + 5, codes[:200], z[200:] + 5, n_classes=3)
    assert (a.argmax(axis=1) == b.argmax(axis=1)).mean() > 0.97


def test_linear_is_shrunken_discriminant_analysis(rng):
    z, codes = data(rng, n=2_000)
    ours = linear_scores(z, codes, z, n_classes=3)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(z, codes).predict_log_proba(z)
    np.testing.assert_allclose(ours, theirs, rtol=0.01, atol=0.01)


def test_neighbors_agree_with_scikit_learn(rng):
    z, codes = data(rng)
    ours = np.exp(neighbor_scores(z[:200], codes[:200], z[200:], n_classes=3)) * 31
    theirs = KNeighborsClassifier(n_neighbors=30).fit(z[:200], codes[:200]).predict_proba(z[200:]) * 30
    prior = np.bincount(codes[:200]) / 200
    np.testing.assert_allclose(ours - prior, theirs, atol=1e-4)


def test_the_ladder_shortens_with_the_number_of_classes():
    assert [p.name for p in ladder_for(2)] == ["linear", "logistic", "neighbors", "boosting"]
    assert [p.name for p in ladder_for(500)] == ["linear", "neighbors"]


def test_bits_are_those_of_a_perfect_and_of_an_empty_reading(rng):
    codes = rng.integers(4, size=4_000)
    perfect = classify(np.log(np.eye(4)[codes] + 1e-12), codes)
    assert perfect.bits == pytest.approx(perfect.entropy, abs=1e-6)
    share = np.log(np.bincount(codes) / 4_000)
    assert classify(np.tile(share, (4_000, 1)), codes).bits == pytest.approx(0, abs=1e-9)
    assert perfect.f1 == perfect.accuracy == perfect.balanced_accuracy == 1
