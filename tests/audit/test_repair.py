"""Repairs remove what was planted, keep the rest, and are audited on cells they were not fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from tests.audit._leaky import planted

from perturbridge.audit import CLOSED_FORM_STEPS, AuditSettings, RepairCells, RepairStep, repair_latent
from perturbridge.audit._repair_steps import centre, context_offsets, erase, match_covariance
from perturbridge.values import Latent

QUICK = AuditSettings(n_permutations=99)


def cells_of(rng, n=2_000, association=0.6):
    strata = rng.integers(4, size=n)
    context = np.where(rng.random(n) < association, strata % 2, rng.integers(2, size=n))
    fit = rng.random(n) < 0.5
    return RepairCells(context=context, strata=strata, fit=fit)


def test_offsets_are_those_planted_though_context_goes_with_biology(rng):
    cells = cells_of(rng, n=8_000)
    biology = 3.0 * rng.normal(size=(4, 5))
    z = rng.normal(size=(8_000, 5)) + biology[cells.strata]
    z[:, 1] += 1.5 * cells.context
    offsets = context_offsets(z, cells.context, cells.strata)
    np.testing.assert_allclose(offsets[1] - offsets[0], [0, 1.5, 0, 0, 0], atol=0.1)


def test_centring_leaves_biology_as_it_is(rng):
    cells = cells_of(rng, n=8_000)
    biology = 3.0 * rng.normal(size=(4, 5))
    z = rng.normal(size=(8_000, 5)) + biology[cells.strata] + 2.0 * cells.context[:, None]
    repaired = centre(Latent(z=z.astype(np.float32)), cells).z
    means = np.stack([repaired[cells.strata == s].mean(axis=0) for s in range(4)])
    np.testing.assert_allclose(means - means[0], biology - biology[0], atol=0.15)


def test_covariances_become_alike(rng):
    cells = cells_of(rng, n=6_000, association=0.0)
    z = rng.normal(size=(6_000, 3))
    z[cells.context == 1] *= np.array([3.0, 1.0, 0.5])
    repaired = match_covariance(Latent(z=z.astype(np.float32)), cells).z
    a, b = (np.cov(repaired[cells.context == c].T) for c in (0, 1))
    np.testing.assert_allclose(a, b, atol=0.35)
    assert abs(np.trace(a) - np.trace(b)) < 0.3


def test_erasure_leaves_no_line_and_is_idempotent(rng):
    cells = cells_of(rng)
    everywhere = RepairCells(context=cells.context, strata=cells.strata, fit=np.ones(2_000, dtype=bool))
    z = rng.normal(size=(2_000, 6)) @ rng.normal(size=(6, 6)) + cells.context[:, None] * rng.normal(size=6)
    once = erase(Latent(z=z.astype(np.float32)), everywhere)
    residual = once.z - np.stack([once.z[cells.strata == s].mean(axis=0) for s in range(4)])[cells.strata]
    label = cells.context - np.array([cells.context[cells.strata == s].mean() for s in range(4)])[cells.strata]
    np.testing.assert_allclose(residual.T @ label / 2_000, 0, atol=1e-4)
    np.testing.assert_allclose(erase(once, everywhere).z, once.z, atol=1e-3)
    assert np.linalg.matrix_rank(once.z - once.z.mean(axis=0), tol=1e-2) == 5


@pytest.mark.parametrize("step", CLOSED_FORM_STEPS, ids=lambda s: s.name)
def test_every_step_says_what_it_saw(step, rng):
    cells = cells_of(rng)
    latent = Latent(z=rng.normal(size=(2_000, 4)).astype(np.float32), split_hash="a" * 64)
    repaired = step.apply(latent, cells)
    assert repaired.fingerprint != latent.fingerprint
    assert repaired.split_hash == latent.split_hash
    assert np.array_equal(repaired.trained, cells.fit)
    assert repaired.steps[-1].rows == "train"
    assert repaired.steps[-1].n_cells == cells.fit.sum()


@pytest.mark.parametrize("step", CLOSED_FORM_STEPS, ids=lambda s: s.name)
def test_cells_outside_the_fit_do_not_change_it(step, rng):
    cells = cells_of(rng)
    z = rng.normal(size=(2_000, 4)).astype(np.float32)
    other = z.copy()
    other[~cells.fit] += 9
    a, b = step.apply(Latent(z=z), cells).z, step.apply(Latent(z=other), cells).z
    np.testing.assert_allclose(a[cells.fit], b[cells.fit], atol=1e-5)


def test_the_ladder_stops_at_the_mildest_that_passes(rng):
    cells = planted(rng, n_cells=2_000, shift=1.5, n_dims=8, condition_shift=2.0)
    repair = repair_latent(
        Latent(z=cells.z, name="pca"), context=cells.context, condition=cells.condition, settings=QUICK
    )
    assert [r.step for r in repair.rungs] == ["as it is", "centre"]
    assert repair.chosen is repair.rungs[-1]
    assert repair.chosen.report.verdict == "pass"
    assert repair.chosen.report.fingerprint == repair.chosen.latent.fingerprint
    first, last = repair.table()
    assert first["leak_auc"] > 0.8
    assert last["leak_auc"] < 0.55
    assert last["kept"] > 0.95


def test_a_leak_of_variance_needs_the_second_step(rng):
    cells = planted(rng, n_cells=2_000, n_dims=8, condition_shift=2.0)
    z = cells.z.copy()
    z[:, 1] = rng.normal(size=2_000) * np.where(cells.context == "chip1", 4.0, 1.0)
    repair = repair_latent(Latent(z=z), context=cells.context, condition=cells.condition, settings=QUICK)
    assert repair.rungs[-1].step == "match_covariance"
    assert repair.chosen is not None


def test_what_nothing_repairs_is_left_with_no_choice(rng):
    cells = planted(rng, n_cells=1_500, xor=True, n_dims=6, condition_shift=0.0)

    def do_nothing(latent, cells):
        return centre(latent, cells)

    steps = (RepairStep(name="mine", title="one of my own", apply=do_nothing),)
    repair = repair_latent(
        Latent(z=cells.z), context=cells.context, condition=cells.condition, steps=steps, settings=QUICK
    )
    assert repair.chosen is None
    assert [r.step for r in repair.rungs] == ["as it is", "mine"]
