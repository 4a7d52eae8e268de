"""Where nothing was perturbed nothing is found: p-values are uniform, displacements vanish."""

import numpy as np
import pytest
from scipy.stats import kstest

from perturbridge.transport import AlignmentSettings, align_latent
from perturbridge.transport._null import mean_null, size_class

from ._worlds import make_world, relative_error


@pytest.mark.parametrize(("m", "skewed", "labelled"), [(30, False, True), (30, True, True), (60, False, False)])
def test_p_values_of_perturbations_without_effect_are_uniform(m, skewed, labelled):
    world = make_world(m, "none", n=2000, m=m, n_dims=8, n_perturbations=200, skewed=skewed)
    alignment = align_latent(
        world.latent, audit="override: planted", condition=world.condition, context=world.batch,
        state=world.state if labelled else None, settings=AlignmentSettings(min_cells=10_000, n_draws=499),
    )  # fmt: skip
    p = np.array([report.p for report in alignment.reports])
    assert kstest(p, "uniform").pvalue > 1e-3
    assert 0.01 <= (p <= 0.05).mean() <= 0.11
    assert np.mean([report.gain for report in alignment.reports]) < 0.2


@pytest.mark.parametrize("solver", ["sinkhorn", "bures"])
def test_displacements_without_effect_are_centred_at_zero_and_far_below_an_effect(solver):
    settings = AlignmentSettings(solver=solver)
    moved = {}
    for kind in ("none", "group"):
        world = make_world(5, kind, n=1000, m=200, n_dims=16, n_perturbations=12)
        alignment = align_latent(
            world.latent, audit="override: planted", condition=world.condition, context=world.batch, settings=settings
        )
        x, context = world.latent.z[:1000], world.batch[:1000]
        moved[kind] = np.stack([alignment.displacement(x, name, context=context) for name in world.truth])
        if kind == "none":
            assert {report.verdict for report in alignment.reports} <= {"no effect", "mean only", "moved"}
            assert sum(report.verdict == "no effect" for report in alignment.reports) >= 10
            assert np.mean([report.gain for report in alignment.reports]) < 0.2
    length = {kind: np.sqrt((z**2).sum(axis=2).mean()) for kind, z in moved.items()}
    assert length["none"] < 0.1 * length["group"]
    assert np.linalg.norm(moved["none"].mean(axis=(0, 1))) < 0.05 * length["group"]


def test_the_raw_map_moves_where_nothing_happened():
    world = make_world(5, "none", n=1000, m=200, n_dims=16)
    alignment = align_latent(
        world.latent, audit="override: planted", condition=world.condition, context=world.batch,
        settings=AlignmentSettings(solver="raw", strata="none"),
    )  # fmt: skip
    moved = alignment.displacement(world.latent.z[:1000], "g000", context=world.batch[:1000])
    assert relative_error(moved, np.full_like(moved, 2.0 / 4.0)) > 1.0
    assert np.sqrt((moved**2).sum(axis=1).mean()) > 1.5


def test_draws_of_means_have_the_size_they_are_divided_by():
    x = np.random.default_rng(0).normal(size=(400, 6)) * np.array([5, 1, 1, 1, 1, 0.1])
    draws = mean_null(x, n_drawn=40, n_draws=4000, rng=np.random.default_rng(1)).draws
    assert draws.mean() == pytest.approx(1.0, abs=0.05)
    constant = mean_null(np.ones((40, 2)), n_drawn=10, n_draws=19, rng=np.random.default_rng(1)).draws
    assert (constant == 1.0).all()


@pytest.mark.parametrize("n_controls", [8, 100, 4000])
@pytest.mark.parametrize("m", [1, 9, 10, 14, 15, 300, 10**6])
def test_a_size_class_is_near_and_leaves_half_of_the_controls(m, n_controls):
    found = size_class(m, n_controls)
    assert 2 <= found <= max(2, n_controls // 2)
    if 10 <= m <= n_controls // 3:
        assert 0.66 < found / m < 1.5
