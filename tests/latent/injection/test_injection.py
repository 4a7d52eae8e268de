"""What holds for every way to let a condition in; a new one joins through the table."""

import pytest
import torch

from perturbridge.errors import DataError
from perturbridge.latent.injection import INJECTIONS, build_injection


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(kind, *, seed=None):
    module = build_injection(kind, n_hidden=6, n_condition=3).double()
    if seed is not None:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(drawn(*parameter.shape, seed=seed))
    return module


@pytest.fixture(params=INJECTIONS)
def kind(request):
    return request.param


def test_width(kind):
    module = build(kind)
    assert module(drawn(5, 6), drawn(5, 3)).shape == (5, module.n_out)


def test_at_first_a_condition_does_nothing_to_what_it_modulates(kind):
    one, two = (build(kind)(drawn(5, 6), drawn(5, 3, seed=s))[:, :6] for s in (1, 2))
    assert torch.equal(one, two)


def test_later_it_does(kind):
    module = build(kind, seed=3)
    one, two = (module(drawn(5, 6), drawn(5, 3, seed=s)) for s in (1, 2))
    assert not torch.allclose(one, two)


def test_each_cell_has_its_own_condition(kind):
    module, h, e = build(kind, seed=3), drawn(5, 6), drawn(5, 3, seed=1)
    order = torch.tensor([4, 2, 0, 1, 3])
    assert torch.allclose(module(h[order], e[order]), module(h, e)[order])
    assert torch.allclose(module(h[:1], e[:1]), module(h, e)[:1])


def test_gradients_reach_both_sides(kind):
    module = build(kind, seed=3)
    assert torch.autograd.gradcheck(module, (drawn(4, 6).requires_grad_(), drawn(4, 3, seed=1).requires_grad_()))


def test_formulas():
    h, e = drawn(4, 6), drawn(4, 3, seed=1)
    film, norm, shift = (build(kind, seed=3) for kind in ("film", "layer_norm", "additive"))
    w, b = drawn(12, 3, seed=3), drawn(12, seed=3)
    gamma, beta = (e @ w.T + b)[:, :6], (e @ w.T + b)[:, 6:]
    assert torch.allclose(film(h, e), h * (1 + gamma) + beta)
    normal = (h - h.mean(1, keepdim=True)) / (h.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(norm(h, e), normal * (1 + gamma) + beta)
    assert torch.allclose(shift(h, e), h + e @ drawn(6, 3, seed=3).T + drawn(6, seed=3))
    assert torch.equal(build("concat")(h, e), torch.cat([h, e], 1))


def test_additive_conditions_add_up():
    module, h = build("additive", seed=3), drawn(4, 6)
    a, b, none = drawn(4, 3, seed=1), drawn(4, 3, seed=2), torch.zeros(4, 3, dtype=torch.float64)
    assert torch.allclose(module(h, a + b) - module(h, a), module(h, b) - module(h, none))


def test_layer_norm_forgets_level_and_scale():
    module, h, e = build("layer_norm", seed=3), drawn(4, 6), drawn(4, 3, seed=1)
    assert torch.allclose(module(h, e), module(100 * h + 7, e), atol=1e-4)


def test_an_unknown_way_is_refused():
    with pytest.raises(DataError, match="'attention'"):
        build_injection("attention", n_hidden=2, n_condition=2)
