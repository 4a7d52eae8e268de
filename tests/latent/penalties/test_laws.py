"""What holds for every penalty on a label; a new one joins by being listed in conftest."""

import numpy as np
import pytest
import torch

from perturbridge.latent import penalties as p

from .conftest import Plant, build, figures, trained

# A head that has seen few cells finds less than nothing on others.
NOTHING = {
    "classifier": (-0.04, 0.0),
    "adversary": (-0.04, 0.0),
    "mmd": (0.0, 0.0),
    "hsic": (0.0, 0.0),
    "club": (-0.005, 0.005),
}
LEARNS = ("classifier", "adversary", "club")


@pytest.mark.parametrize("association", [0.0, 0.9])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_nothing_is_found_where_nothing_is_even_if_the_label_goes_with_the_stratum(kind, association, n_labels):
    plant = Plant(association=association, n_labels=n_labels, n=8000)
    mean, error = figures(trained(kind, plant), plant)
    low, high = NOTHING[kind]
    assert low - 4 * error < mean < high + 4 * error


@pytest.mark.parametrize("association", [0.0, 0.9])
@pytest.mark.parametrize("shape", ["mean", "spread", "turns"])
def test_a_planted_effect_is_found(kind, association, shape):
    plant = Plant(association=association, effect=3.0, kind=shape, n=6000)
    found, error = figures(trained(kind, plant, steps=80), plant, n_batches=40 if kind in LEARNS else 120, size=256)
    assert found > 4 * error


def test_a_larger_effect_is_found_more(kind):
    plants = [Plant(effect=e) for e in (0.5, 1.0, 3.0)]
    found = [figures(trained(kind, plant, steps=80), plant, n_batches=30)[0] for plant in plants]
    assert found[0] < found[1] < found[2]


def test_the_order_of_cells_does_not_matter(kind):
    plant = Plant(effect=1.0)
    module = trained(kind, plant, steps=5)
    cells = next(plant.batches(1))
    order = torch.randperm(128, generator=torch.Generator().manual_seed(0))
    turned = p.Cells(*(part[order] for part in cells))
    assert torch.allclose(module(cells).loss, module(turned).loss, atol=1e-6)


def test_names_of_labels_and_strata_do_not_matter(kind):
    plant = Plant(effect=1.0, n_labels=3)
    swap, turn = np.array([2, 0, 1]), np.array([4, 2, 0, 1, 3])
    other = p.Overlap.of(swap[plant.label], turn[plant.stratum], n_labels=3, n_strata=5)
    cells = plant.cells(slice(0, 128))
    renamed = p.Cells(cells.z, torch.tensor(swap)[cells.label], torch.tensor(turn)[cells.stratum])
    forth, back = build(kind, plant.overlap)(cells), build(kind, other)(renamed)
    assert torch.allclose(forth.loss, back.loss, atol=1e-6)


def test_cells_without_label_or_stratum_or_company_say_nothing(kind):
    plant = Plant(effect=1.0)
    plant.stratum[:40] = 4
    plant.label[plant.stratum == 4] = 1  # a stratum with one label
    plant.overlap = p.Overlap.of(plant.label, plant.stratum, n_labels=2, n_strata=5)
    assert plant.overlap.n_left_out == (plant.stratum == 4).sum()
    module = trained(kind, plant, steps=5)
    cells = plant.cells(slice(0, 200))
    cells.label[50:60] = -1
    cells.stratum[60:70] = -1
    known = (cells.label >= 0) & (cells.stratum >= 0) & (cells.stratum != 4)
    alone = module(p.Cells(*(part[known] for part in cells)))
    z = cells.z.requires_grad_()
    term = module(cells)
    term.loss.backward()
    assert torch.allclose(term.loss, alone.loss)
    assert torch.all(z.grad[~known] == 0)


def test_a_batch_with_nothing_to_compare_gives_zero_and_a_zero_gradient(kind):
    plant = Plant()
    z = torch.ones(3, 4, requires_grad=True)
    term = build(kind, plant.overlap)(p.Cells(z, torch.tensor([-1, -1, 0]), torch.tensor([0, 1, -1])))
    term.loss.backward()
    assert float(term.loss.detach()) == 0.0
    assert torch.all(z.grad == 0)


def test_strength_scales_what_reaches_the_latent_and_not_what_the_head_learns(kind):
    plant = Plant(effect=1.0)
    module = trained(kind, plant, steps=5)
    gradients, heads = [], []
    for strength in (1.0, 3.0):
        module.zero_grad()
        cells = plant.cells(slice(0, 128))
        z = cells.z.requires_grad_()
        module(cells, strength).loss.backward()
        gradients.append(z.grad)
        heads.append([parameter.grad.clone() for parameter in module.parameters()])
    assert float(gradients[0].abs().max()) > 0
    assert torch.allclose(3 * gradients[0], gradients[1], atol=1e-7)
    assert all(torch.equal(a, b) for a, b in zip(*heads, strict=True))
    assert bool(heads[0]) == (kind in LEARNS)


def test_the_gradient_is_that_of_the_figure(kind):
    """Finite differences in float64, along a random direction; the adversary's is reversed, the classifier's asks for more."""
    plant = Plant(effect=1.0)
    module = trained(kind, plant, steps=30).double()
    cells = plant.cells(slice(0, 64), dtype=torch.float64)
    z = cells.z.requires_grad_()
    module(cells).loss.backward()
    direction = torch.randn(z.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    h = 1e-6
    with torch.no_grad():
        up, down = (module(cells._replace(z=cells.z + sign * h * direction)).figure for sign in (1, -1))
    slope = float((up - down) / (2 * h))
    wanted = -slope if kind == "classifier" else slope
    assert float((z.grad * direction).sum()) == pytest.approx(wanted, rel=1e-4, abs=1e-9)


def test_the_strata_alone_must_not_tell_the_label():
    from perturbridge.errors import FitError

    with pytest.raises(FitError, match="cannot be told apart"):
        p.Overlap.of(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), n_labels=2, n_strata=2)
    with pytest.raises(FitError, match="has 1 level"):
        p.Overlap.of(np.array([0, 0, 0]), np.array([0, 0, 1]), n_labels=1, n_strata=2)
