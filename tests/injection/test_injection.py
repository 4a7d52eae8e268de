"""What holds for every way to let a condition into the decoder; a new one joins through the table."""

import pytest
import torch

from perturbridge.errors import FitError
from perturbridge.injection import INJECTIONS, Concat, injection_from_json

N_DIMS, N_CONDITION, N_HIDDEN, N_LAYERS = 4, 3, 6, 2


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(spec, *, seed=None):
    module = spec.build(
        n_dims=N_DIMS,
        n_condition=N_CONDITION,
        n_hidden=N_HIDDEN,
        n_layers=N_LAYERS,
        source=torch.Generator().manual_seed(9),
    ).double()
    if seed is not None:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(drawn(*parameter.shape, seed=seed))
    return module


def through(module, z, hidden, condition):
    """All that the decoder gets to see."""
    layers = [module.modulate(hidden, condition, layer=i) for i in range(N_LAYERS)]
    return torch.cat([module.enter(z, condition), *layers], dim=1)


@pytest.fixture(params=sorted(INJECTIONS))
def spec(request):
    return INJECTIONS[request.param]()


def test_shapes(spec):
    module = build(spec)
    assert module.enter(drawn(5, 4), drawn(5, 3)).shape == (5, module.n_inputs)
    assert module.modulate(drawn(5, 6), drawn(5, 3), layer=1).shape == (5, 6)


def test_at_first_a_condition_changes_neither_z_nor_hidden_units(spec):
    one, two = (build(spec) for _ in range(2))
    a, b = drawn(5, 3, seed=1), drawn(5, 3, seed=2)
    assert torch.equal(one.enter(drawn(5, 4), a)[:, :4], two.enter(drawn(5, 4), b)[:, :4])
    assert torch.equal(one.modulate(drawn(5, 6), a, layer=0), two.modulate(drawn(5, 6), b, layer=0))


def test_later_it_does(spec):
    module = build(spec, seed=3)
    one, two = (through(module, drawn(5, 4), drawn(5, 6), drawn(5, 3, seed=s)) for s in (1, 2))
    assert not torch.allclose(one, two)


def test_each_cell_has_its_own_condition(spec):
    module, z, h, e = build(spec, seed=3), drawn(5, 4), drawn(5, 6), drawn(5, 3, seed=1)
    order = torch.tensor([4, 2, 0, 1, 3])
    assert torch.allclose(through(module, z[order], h[order], e[order]), through(module, z, h, e)[order])
    assert torch.allclose(through(module, z[:1], h[:1], e[:1]), through(module, z, h, e)[:1])


def test_gradients_reach_all_three(spec):
    module = build(spec, seed=3)
    given = (drawn(4, 4).requires_grad_(), drawn(4, 6).requires_grad_(), drawn(4, 3, seed=1).requires_grad_())
    assert torch.autograd.gradcheck(lambda z, h, e: through(module, z, h, e), given)


def test_json_gives_it_back(spec):
    assert injection_from_json(spec.as_json()) == spec


def test_weights_follow_the_generator_and_nothing_else(spec):
    state = torch.get_rng_state()
    one, two = build(spec), build(spec)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_formulas():
    z, h, e = drawn(4, 4), drawn(4, 6), drawn(4, 3, seed=1)
    by_name = {name: build(make(), seed=3) for name, make in INJECTIONS.items()}
    w, b = drawn(12, 3, seed=3), drawn(12, seed=3)
    gamma, beta = (e @ w.T + b)[:, :6], (e @ w.T + b)[:, 6:]
    assert torch.allclose(by_name["film"].modulate(h, e, layer=1), h * (1 + gamma) + beta)
    normal = (h - h.mean(1, keepdim=True)) / (h.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(by_name["layer_norm"].modulate(h, e, layer=0), normal * (1 + gamma) + beta)
    assert torch.allclose(by_name["additive"].enter(z, e), z + e @ drawn(4, 3, seed=3).T + drawn(4, seed=3))
    assert torch.allclose(by_name["concat"].enter(z, e), torch.cat([z, e @ drawn(16, 3, seed=3).T], 1))
    assert torch.equal(build(Concat(n_projected=0)).enter(z, e), torch.cat([z, e], 1))


def test_shifts_add_up():
    module, z = build(INJECTIONS["additive"](), seed=3), drawn(4, 4)
    a, b, none = drawn(4, 3, seed=1), drawn(4, 3, seed=2), torch.zeros(4, 3, dtype=torch.float64)
    moved = module.enter(z, a + b) - module.enter(z, a)
    assert torch.allclose(moved, module.enter(z, b) - module.enter(z, none))


def test_layer_norm_forgets_level_and_scale():
    module, h, e = build(INJECTIONS["layer_norm"](), seed=3), drawn(4, 6), drawn(4, 3, seed=1)
    assert torch.allclose(module.modulate(h, e, layer=0), module.modulate(100 * h + 7, e, layer=0), atol=1e-4)


def test_an_unknown_one_is_refused():
    with pytest.raises(FitError, match="'attention'"):
        injection_from_json({"name": "attention"})
