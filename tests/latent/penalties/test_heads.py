"""Classifier, adversary and the bound of mutual information: what their heads learn, and what they hand on."""

import numpy as np
import pytest
import torch

from perturbridge.latent import penalties as p

from .conftest import Plant, build, figures, generator, trained


def test_before_learning_a_head_knows_what_the_strata_tell():
    plant = Plant(association=0.9, n_labels=3)
    head = build("classifier", plant.overlap).head
    cells = plant.cells()
    q = torch.softmax(head.scores(cells.z) + head.offset[cells.stratum], dim=1).detach().numpy()
    balanced = plant.overlap.shares / plant.overlap.label_shares
    balanced /= balanced.sum(axis=1, keepdims=True)
    assert np.allclose(q, balanced[plant.stratum], atol=1e-5)


def test_a_label_a_stratum_never_had_gets_nothing():
    label, stratum = np.array([0, 1, 1, 2, 0, 2]), np.array([0, 0, 0, 1, 1, 1])
    head = build("adversary", p.Overlap.of(label, stratum, n_labels=3, n_strata=2)).head
    with torch.no_grad():
        head.net[-1].bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    q = torch.softmax(head.scores(torch.zeros(2, 4)) + head.offset, dim=1)
    assert q[0, 2] == 0.0
    assert q[1, 1] == 0.0


def test_the_adversary_takes_the_label_out_and_leaves_the_stratum():
    """Encoder: one linear map of cells whose label moves one axis and whose stratum moves all; both go together by 0.8."""
    plant = Plant(association=0.8, effect=3.0, n=4000, n_labels=2, seed=2)
    module, encoder = build("adversary", plant.overlap), torch.nn.Linear(4, 4)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(4))
        encoder.bias.zero_()
    optimizer = torch.optim.Adam(
        [{"params": module.parameters(), "lr": 1e-3}, {"params": encoder.parameters(), "lr": 1e-2}]
    )
    start = plant.z.copy()
    before = figures(trained("adversary", plant, steps=100), plant, n_batches=30)[0]
    for step in range(250):
        cells = plant.cells(plant.rng.choice(4000, 128, replace=False))
        z = encoder(cells.z)
        # As the reconstruction of a model would: the encoder must not forget.
        kept = 0.001 * (z - cells.z).square().mean()
        optimizer.zero_grad()
        (module(cells._replace(z=z), p.ramp(step / 120)).loss + kept).backward()
        optimizer.step()
    with torch.no_grad():
        plant.z = encoder(torch.tensor(start, dtype=torch.float32)).numpy().astype(float)
    after = figures(trained("adversary", plant, steps=100), plant, n_batches=30)[0]
    means = np.stack([plant.z[plant.stratum == s].mean(axis=0) for s in range(5)])
    spread = np.sqrt(np.mean([plant.z[plant.stratum == s].var(axis=0) for s in range(5)], axis=0))
    assert before > 0.05
    assert after < 0.2 * before
    assert np.min(np.linalg.norm((means[:, None] - means[None]) / spread, axis=-1)[~np.eye(5, dtype=bool)]) > 2.0


def test_the_bound_lies_above_the_mutual_information():
    """c is a fair coin and z ~ N(±1, 1): I(z; c) by quadrature; q is linear in truth, so the head can learn it."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=8000)
    z = rng.normal(size=(8000, 4))
    z[:, 0] += 2.0 * label - 1.0
    grid = np.linspace(-8, 8, 4001)
    density = [np.exp(-0.5 * (grid - m) ** 2) / np.sqrt(2 * np.pi) for m in (-1.0, 1.0)]
    mixed = 0.5 * (density[0] + density[1])
    information = sum(0.5 * np.sum(d * np.log(np.maximum(d, 1e-300) / mixed)) for d in density) * (grid[1] - grid[0])
    plant = Plant()
    plant.z, plant.label, plant.stratum = z, label, np.zeros_like(label)
    plant.overlap = p.Overlap.of(label, plant.stratum, n_labels=2, n_strata=1)
    bound, error = figures(trained("club", plant, steps=150), plant)
    gain, _ = figures(trained("classifier", plant, steps=150), plant)
    # Where q is exact its log ratio of the labels is 2z, and the bound E[c · z] = 1 nat; a smoothed head stays below.
    assert gain < information + 3 * error < bound
    assert bound < 1.1


def test_the_head_of_the_bound_sees_no_gradient_of_the_bound():
    plant = Plant(effect=1.0)
    club, same = build("club", plant.overlap), build("adversary", plant.overlap)
    same.head.load_state_dict(club.head.state_dict())
    cells = plant.cells(slice(0, 128))
    club(cells, 7.0).loss.backward()
    same(cells, 0.0).loss.backward()
    for a, b in zip(club.parameters(), same.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-7)


def test_first_weights_follow_the_generator_and_nothing_else():
    plant = Plant()
    state = torch.get_rng_state()
    one, two = (p.Adversary(plant.overlap, n_dims=4, generator=generator(5)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_ramp_goes_up_and_never_down():
    values = [p.ramp(x) for x in np.linspace(-0.1, 1.2, 131)]
    assert values[0] == 0.0
    assert np.all(np.diff(values) >= 0)
    assert values[-1] == pytest.approx(1.0, abs=1e-4)
