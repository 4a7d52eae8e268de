"""What holds for every alignment, whatever solver makes its plans."""

from dataclasses import replace

import numpy as np
import pytest

from perturbridge.errors import DataError
from perturbridge.transport import SOLVERS, AlignmentSettings, align_latent
from perturbridge.values import Latent

from ._worlds import make_world, relative_error

SMALL = {"n": 300, "m": 60, "n_dims": 6}
FAST = AlignmentSettings(n_null=2, n_draws=19)


@pytest.fixture(params=sorted(SOLVERS))
def name(request):
    return request.param


def align(world, *, settings=FAST, **more):
    given = {"condition": world.condition, "context": world.batch} | more
    return align_latent(world.latent, audit="override: planted", settings=settings, **given)


def moved_controls(world, alignment, perturbation="g000"):
    n = world.n_controls
    return alignment.displacement(world.latent.z[:n], perturbation, context=world.batch[:n])


def shifted(shift, *, copies=False, m=120, seed=0):
    """Controls, and perturbed cells that differ from their like by a shift alone."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 4))
    y = (x[:m] if copies else rng.normal(size=(m, 4))) + shift
    return Latent(z=np.concatenate([x, y])), np.repeat(["control", "A"], [300, m]), x


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("name", sorted(set(SOLVERS) - {"raw", "unbalanced", "partial"}))
def test_cells_that_all_moved_alike_give_that_shift_for_every_control(name, copies):
    shift = np.array([5.0, -3.0, 0.0, 1.0])
    latent, condition, x = shifted(shift, copies=copies)
    settings = replace(FAST, solver=name, strata="none")
    moved = align_latent(latent, audit="override: planted", condition=condition, settings=settings)
    assert relative_error(moved.displacement(x, "A"), np.broadcast_to(shift, x.shape)) < 0.08


def test_the_raw_map_does_not():
    shift = np.array([0.5, -0.5, 0.0, 0.5])
    latent, condition, x = shifted(shift)
    settings = replace(FAST, solver="raw", strata="none")
    moved = align_latent(latent, audit="override: planted", condition=condition, settings=settings)
    assert relative_error(moved.displacement(x, "A"), np.broadcast_to(shift, x.shape)) > 0.7


def test_the_unit_of_the_latent_is_that_of_the_displacement(name):
    world = make_world(1, **SMALL)
    settings = replace(FAST, solver=name, strata="none")
    one = moved_controls(world, align(world, settings=settings))
    larger = replace(world, latent=Latent(z=8.0 * world.latent.z.astype(float)))
    moved = align(larger, settings=settings)
    n = world.n_controls
    eight = moved.displacement(larger.latent.z[:n], "g000", context=world.batch[:n])
    assert eight == pytest.approx(8.0 * one, abs=0.02)


def test_where_the_origin_lies_does_not_matter(name):
    settings = replace(FAST, solver=name, strata="none")
    near, far = (make_world(1, offset=offset, **SMALL) for offset in (0.0, 100.0))
    there = moved_controls(far, align(far, settings=settings))
    assert there == pytest.approx(moved_controls(near, align(near, settings=settings)), abs=0.02)


def test_controls_of_the_plans_move_as_in_their_plans(name):
    world = make_world(1, **SMALL)
    alignment = align(world, settings=replace(FAST, solver=name, strata="none"))
    own, moved = alignment.self_maps[0], alignment.displacements[0][0]
    if SOLVERS[name].debiased:
        assert own is not None
    x = alignment.centred(world.latent.z[: world.n_controls], world.batch[: world.n_controls])
    if moved.map is None:
        assert (moved_controls(world, alignment) == moved.shift.astype(np.float32)).all()
        return
    apart = moved.map(x) - (x if own is None else own(x))
    assert apart.mean(axis=0) == pytest.approx(moved.mean, abs=1e-4)
    expected = moved.shift + (apart - moved.mean) @ moved.keep
    assert moved_controls(world, alignment) == pytest.approx(expected, abs=1e-4)


def test_controls_outside_the_plans_move_as_those_inside():
    world = make_world(2, "linear", n=2000, m=300, n_dims=16)
    everyone = align(world)
    half = align(world, settings=replace(FAST, max_controls=150))
    errors = [relative_error(moved_controls(world, a), world.truth["g000"]) for a in (everyone, half)]
    assert errors[1] < errors[0] + 0.05


@pytest.mark.parametrize("m", [1, 3, 20, 500])
def test_any_number_of_perturbed_cells_will_do(name, m):
    world = make_world(1, n=300, m=m, n_dims=4)
    alignment = align(world, settings=replace(FAST, solver=name, min_cells=1))
    assert np.isfinite(moved_controls(world, alignment)).all()
    assert sum(plan.n_perturbed for plan in alignment.plans) == m


def test_few_cells_have_no_plan_and_it_is_said():
    alignment = align(make_world(1, n=300, m=1, n_dims=4))
    assert {plan.level for plan in alignment.plans} <= {"mean", "pooled"}
    assert alignment.report("g000").verdict == "few cells"
    assert "too few" in alignment.report("g000").cure


def test_a_state_the_perturbation_lacks_moves_as_the_others_do():
    world = make_world(3, n=1200, m=400, n_dims=8)
    kept = (world.state != "s2") | (np.arange(len(world.state)) < world.n_controls)
    cut = Latent(z=world.latent.z[kept])
    alignment = align_latent(
        cut, audit="override: planted", condition=world.condition[kept], context=world.batch[kept], state=world.state[kept], settings=FAST
    )  # fmt: skip
    lacking = next(plan for plan in alignment.plans if plan.stratum == "s2")
    assert (lacking.level, lacking.n_perturbed, lacking.own_share) == ("pooled", 0, 0.0)
    n = world.n_controls
    moved = alignment.displacement(world.latent.z[:n], "g000", context=world.batch[:n], state=world.state[:n])
    inside = world.state[:n] == "s2"
    assert relative_error(moved[inside], world.truth["g000"][inside]) < 1.0
    assert np.ptp(moved[inside], axis=0).max() == 0.0
    assert alignment.report("g000").composition_change == pytest.approx(0.25, abs=0.05)


def test_a_context_the_perturbation_lacks_is_no_obstacle():
    world = make_world(3, **SMALL)
    kept = (world.batch != "b2") | (np.arange(len(world.batch)) < world.n_controls)
    cut = replace(
        world, latent=Latent(z=world.latent.z[kept]), condition=world.condition[kept], batch=world.batch[kept]
    )
    assert relative_error(moved_controls(cut, align(cut)), world.truth["g000"]) < 0.6


def test_a_context_without_controls_is_left_out_and_counted():
    world = make_world(3, **SMALL)
    kept = (world.batch != "b2") | (np.arange(len(world.batch)) >= world.n_controls)
    left = Latent(z=world.latent.z[kept])
    alignment = align_latent(
        left, audit="override: planted", condition=world.condition[kept], context=world.batch[kept], settings=FAST
    )
    lost = int((world.batch[world.n_controls :] == "b2").sum())
    assert alignment.report("g000").n_left_out == lost > 0
    found = next(finding for finding in alignment.findings if finding.code == "contexts_without_controls")
    assert (found.count, found.example) == (lost, "b2")
    with pytest.raises(DataError, match="context that the alignment does not know, the first is 'b2'"):
        alignment.displacement(left.z[:1], "g000", context="b2")


def test_a_perturbation_whose_contexts_all_lack_controls_does_not_move():
    latent = Latent(z=np.random.default_rng(0).normal(size=(200, 3)))
    condition, batch = np.repeat(["control", "A", "B"], [100, 50, 50]), np.repeat(["b0", "b1"], [150, 50])
    alignment = align_latent(latent, audit="override: planted", condition=condition, context=batch, settings=FAST)
    lost = alignment.report("B")
    assert (lost.n_cells, lost.n_left_out, lost.verdict) == (0, 50, "few cells")
    assert not alignment.displacement(latent.z[:3], "B", context="b0").any()


def test_a_state_without_controls_is_left_out_and_counted():
    world = make_world(3, **SMALL)
    kept = (world.state != "s2") | (np.arange(len(world.state)) >= world.n_controls)
    alignment = align_latent(
        Latent(z=world.latent.z[kept]), audit="override: planted", condition=world.condition[kept],
        context=world.batch[kept], state=world.state[kept], settings=FAST,
    )  # fmt: skip
    assert alignment.report("g000").n_left_out == int((world.state[world.n_controls :] == "s2").sum())


def test_cells_that_do_not_differ_have_no_plan_and_it_is_said(name):
    z = np.concatenate([np.zeros((100, 3)), np.ones((60, 3))])
    condition = np.repeat(["control", "A"], [100, 60])
    alignment = align_latent(
        Latent(z=z), audit="override: planted", condition=condition, settings=replace(FAST, solver=name)
    )
    assert alignment.plans[0].level == "mean"
    assert "do not differ" in alignment.plans[0].status
    assert alignment.displacement(z[:2], "A") == pytest.approx(1.0)


def test_perturbed_cells_that_do_not_differ_are_no_obstacle(name):
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(size=(200, 3)), np.full((60, 3), 4.0)])
    condition = np.repeat(["control", "A"], [200, 60])
    settings = replace(FAST, solver=name, strata="none")
    alignment = align_latent(Latent(z=z), audit="override: planted", condition=condition, settings=settings)
    assert alignment.plans[0].level == "plan"
    assert alignment.displacement(z[:200], "A").mean(axis=0) == pytest.approx(4.0 - z[:200].mean(axis=0), abs=0.05)


@pytest.mark.parametrize("name", ["bures", "sinkhorn"])
def test_cells_that_stand_twice_are_no_obstacle(name):
    world = make_world(1, **SMALL)
    twice = np.r_[np.arange(300), np.arange(300), np.arange(300, 360), np.arange(300, 360)]
    both = Latent(z=world.latent.z[twice])
    settings = replace(FAST, solver=name, strata="none")
    alignment = align_latent(
        both, audit="override: planted", condition=world.condition[twice], context=world.batch[twice], settings=settings
    )
    assert {plan.level for plan in alignment.plans} == {"plan"}
    # Noise is taken for half of what it is, so that more of it is kept.
    moved = [moved_controls(world, a) for a in (align(world, settings=settings), alignment)]
    assert relative_error(moved[1], moved[0]) < 0.4


def test_the_order_of_cells_hardly_matters():
    world = make_world(1, n=1000, m=200, n_dims=8)
    order = np.random.default_rng(5).permutation(1200)
    mixed = align_latent(
        Latent(z=world.latent.z[order]), audit="override: planted", condition=world.condition[order], context=world.batch[order]
    )  # fmt: skip
    moved = [moved_controls(world, a) for a in (align(world, settings=AlignmentSettings()), mixed)]
    assert relative_error(moved[1], moved[0]) < 0.1


def test_the_same_seed_gives_the_same_alignment():
    world = make_world(1, **SMALL)
    one, two = align(world), align(world)
    assert (moved_controls(world, one) == moved_controls(world, two)).all()
    assert one.report("g000").as_json() == two.report("g000").as_json()


def test_one_perturbation_does_not_depend_on_which_others_are_aligned():
    world = make_world(1, n_perturbations=3, **SMALL)
    alone, beside = align(world, perturbations=["g000"]), align(world)
    moved = [moved_controls(world, a) for a in (alone, beside)]
    assert relative_error(moved[0], moved[1]) < 0.05


@pytest.mark.parametrize("given", [["control"], ["A", "nobody"], []])
def test_a_perturbation_without_cells_is_refused(given):
    latent, condition, _ = shifted(1.0)
    with pytest.raises(DataError, match="no training cells"):
        align_latent(latent, audit="override: planted", condition=condition, perturbations=given)


def test_a_screen_without_controls_is_refused():
    latent, condition, _ = shifted(1.0)
    with pytest.raises(DataError, match="is a control"):
        align_latent(latent, audit="override: x", condition=condition, control=np.zeros(len(condition), dtype=bool))


def test_a_perturbation_that_was_not_aligned_is_refused():
    latent, condition, x = shifted(1.0)
    alignment = align_latent(latent, audit="override: x", condition=condition, settings=FAST)
    with pytest.raises(DataError, match="'B' was not aligned"):
        alignment.displacement(x, "B")


def test_progress_is_told():
    world, told = make_world(1, n_perturbations=3, **SMALL), []
    align(world, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_solver_that_fails_is_said_and_leaves_the_mean():
    world = make_world(1, n=160, m=40, n_dims=4, kind="linear", states=1)
    settings = replace(FAST, solver="raw", epsilon=1e-5, tolerance=1e-9, strata="none")
    alignment = align(world, settings=settings)
    plan = alignment.plans[0]
    assert plan.level == "failed"
    assert "iterations" in plan.status
    assert np.isnan(plan.mean_error)
    assert alignment.report("g000").verdict == "not converged"
    assert "raise epsilon" in alignment.report("g000").cure
    assert np.ptp(moved_controls(world, alignment), axis=0).max() == 0.0


def test_a_composition_that_changed_is_an_output_and_not_a_displacement():
    rng = np.random.default_rng(0)
    middle = {"s0": -4.0, "s1": 4.0}
    state = np.r_[np.tile(["s0", "s1"], 300), np.repeat(["s0", "s1"], [30, 270])]
    z = rng.normal(size=(900, 3)) + np.array([middle[s] for s in state])[:, None]
    condition = np.repeat(["control", "A"], [600, 300])
    for labels in (state, None):
        alignment = align_latent(Latent(z=z), audit="override: x", condition=condition, state=labels)
        report = alignment.report("A")
        assert report.composition_change == pytest.approx(0.4, abs=0.02)
        assert sorted(report.composition.values()) == pytest.approx([-0.4, 0.4], abs=0.02)
        assert report.same_state_attainable == pytest.approx(0.6, abs=0.02)
        assert report.size < 0.25
        assert report.p > 0.01
