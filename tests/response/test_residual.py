"""The residual: kept where it helps perturbations nobody has seen, otherwise exactly nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from perturbridge.injection import INJECTIONS
from perturbridge.response import ResponseModel, ResponseSettings
from perturbridge.response._clouds import Clouds
from perturbridge.response._conditions import Conditions
from perturbridge.response._energy import Matched, energy_distance
from perturbridge.response._gate import weigh
from perturbridge.response._network import Network
from perturbridge.values import PerturbationName


@pytest.fixture(scope="module")
def bent(scene_of):
    """Cells respond to products of what the embedding knows, so that no linear map of it can do."""
    return scene_of(bend=1.0, null=0.0, noise=0.1, n_train=120, n_unseen=20, n_cells=40)


@pytest.fixture(scope="module")
def settings():
    return ResponseSettings(n_prototypes=48, n_cells=128, folds=3, epochs=45, cells_at_once=32)


@pytest.fixture(scope="module")
def kept(bent, settings):
    latent = bent.world.latent
    return ResponseModel(bent.world.embedding, settings=settings).fit(bent.alignment, latent, cells=latent)


def test_it_is_kept_where_held_out_perturbations_gain(bent, kept):
    about, ladder = kept.report_["residual"], kept.ladder_
    assert about["kept"]
    assert 0 < about["gate"] <= 1
    assert about["gain"] > about["gain_se"]
    assert ladder.rung("residual").error < 0.9 * ladder.rung("ridge, cells").error
    alone = ResponseModel(bent.world.embedding, injection=None, settings=kept.settings).fit(
        bent.alignment, bent.world.latent
    )
    assert bent.error(kept, bent.world.unseen) < 0.9 * bent.error(alone, bent.world.unseen)


def test_a_held_out_row_is_answered_by_the_network_that_did_not_see_it(bent, kept):
    fitted = kept.fitted_
    z, context, state, *_ = bent.controls()
    x = fitted.frame.centred(z, context)
    strata = fitted.frame.strata_of(x, context=context, state=state)
    own = int(fitted.folds[0])
    head = fitted.head
    broken = tuple(
        member if f == own else replace(member, scale=member.scale * 5) for f, member in enumerate(head.folds)
    )
    changed = replace(fitted, head=replace(head, folds=broken))
    one, two = (each.held_out_displacement(0, x, strata) for each in (fitted, changed))
    assert np.array_equal(one, two)
    assert not np.allclose(
        fitted.displacement([fitted.names[0]], x, strata), changed.displacement([fitted.names[0]], x, strata)
    )


def test_it_is_saved_with_the_model(bent, kept, tmp_path):
    kept.save(tmp_path)
    loaded = ResponseModel.load(tmp_path)
    name = bent.world.unseen[0]
    assert np.array_equal(bent.moved(loaded, name), bent.moved(kept, name))
    assert loaded.injection == kept.injection
    row = kept.perturbations_.index(bent.world.train[3])
    x, strata = np.zeros((2, 6)), np.array([0, 1])
    one, two = (model.fitted_.held_out_displacement(row, x, strata) for model in (kept, loaded))
    assert np.array_equal(one, two)


def test_the_same_seed_gives_the_same_model(bent, settings):
    latent = bent.world.latent
    short = replace(settings, epochs=2, folds=2)
    before = torch.get_rng_state()
    one, two = (
        ResponseModel(bent.world.embedding, settings=short).fit(bent.alignment, latent, cells=latent) for _ in range(2)
    )
    assert one.report_ == two.report_
    assert torch.equal(torch.get_rng_state(), before)


def test_where_the_base_is_right_the_gate_is_exactly_zero(scene_of, settings):
    scene = scene_of(n_train=60, null=0.0, noise=0.3)
    latent = scene.world.latent
    model = ResponseModel(scene.world.embedding, settings=settings).fit(scene.alignment, latent, cells=latent)
    base = ResponseModel(scene.world.embedding, injection=None, settings=settings).fit(scene.alignment, latent)
    about = model.report_["residual"]
    assert about["gate"] == 0.0
    assert not about["kept"]
    assert "the base alone is used" in about["reason"]
    assert np.array_equal(scene.moved(model, "G061"), scene.moved(base, "G061"))


@pytest.mark.parametrize("injection", sorted(INJECTIONS))
def test_every_injection_starts_at_nothing_and_can_learn(injection, scene, small):
    spec = INJECTIONS[injection]()
    network = Network(spec, small, n_dims=3, n_condition=5, source=torch.Generator().manual_seed(1))
    x, base, told = torch.ones(4, 3), torch.ones(4, 3), torch.ones(4, 5)
    assert (network(x, base, told) == 0).all()
    network(x, base, told).sum().backward()
    assert network.out.bias.grad.abs().sum() > 0
    short = replace(small, epochs=1, folds=2)
    model = ResponseModel(scene.world.embedding, injection=injection, settings=short).fit(
        scene.alignment, scene.world.latent
    )
    assert model.report_["residual"]["tried"]
    assert [rung.name for rung in model.ladder_.rungs][-1] == "residual"


def test_the_gate_is_the_best_factor_and_judges_each_row_by_the_others():
    rng = np.random.default_rng(0)
    off, r = rng.normal(size=(2, 30, 8, 3))
    off += 0.7 * r
    weights = rng.uniform(0.5, 2, size=30)
    sums = [(a * b).sum(axis=2).mean(axis=1) for a, b in ((off, r), (r, r), (off, off))]
    gate = weigh(*sums, weights=weights)

    def loss(rho, rows):
        return sum(weights[i] * ((off[i] - rho * r[i]) ** 2).sum() for i in rows)

    grid = np.linspace(0, 1, 1001)
    assert gate.gate == pytest.approx(grid[np.argmin([loss(g, range(30)) for g in grid])], abs=1e-3)
    others = [i for i in range(30) if i != 4]
    assert gate.crossed[4] == pytest.approx(grid[np.argmin([loss(g, others) for g in grid])], abs=1e-3)
    gains = [weights[i] * ((off[i] ** 2).sum() - ((off[i] - gate.crossed[i] * r[i]) ** 2).sum()) / 8 for i in range(30)]
    assert gate.gain == pytest.approx(np.mean(gains) / np.mean(weights * sums[2]))
    assert gate.gain_se == pytest.approx(np.std(gains, ddof=1) / np.sqrt(30) / np.mean(weights * sums[2]))


def test_noise_does_not_open_the_gate_more_often_than_chance():
    opened = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        off, r = rng.normal(size=(2, 40, 4, 3))
        sums = [(a * b).sum(axis=2).mean(axis=1) for a, b in ((off, r), (r, r), (off, off))]
        opened.append(weigh(*sums, weights=np.ones(40)).kept)
    assert np.mean(opened) < 0.16


def test_what_a_network_is_told(scene, base):
    space = base.fitted_.ridge.space
    conditions = Conditions.of(space, base.fitted_.ridge.design.genes, n=3)
    names = [PerturbationName.parse(t) for t in ("G001", "G002", "G001+G002", "unheard-of")]
    a, b, both, none = conditions.at(names)
    assert conditions.n == 4
    assert np.allclose(both[:3], (a + b)[:3] / 2, atol=1e-6)
    assert both[3] == 1
    assert (none == 0).all()


def test_the_distance_in_the_loss_is_the_energy_distance_up_to_a_constant():
    rng = np.random.default_rng(1)
    strata = np.repeat([0, 1], [12, 20])
    pairs = [None, Matched(np.arange(32), rng.normal(size=(32, 4)), strata), None]
    clouds = Clouds.of(pairs, n_dims=4, scale=2.0)
    drawn = clouds.draw(torch.arange(3), 32, source=torch.Generator().manual_seed(0))
    assert drawn.rows.tolist() == [1]
    moved = rng.normal(size=(2, 32, 4))
    order = drawn.controls[0].numpy()
    ours = [float(drawn.distance(torch.from_numpy(m[order][None] / 2).float())) * 2 for m in moved]
    true = [energy_distance(m, pairs[1].x, strata) for m in moved]
    assert ours[0] - ours[1] == pytest.approx(true[0] - true[1], abs=1e-4)
    assert clouds.draw(torch.arange(3), 33, source=torch.Generator()) is None
