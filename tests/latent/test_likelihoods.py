"""Fused likelihoods against torch.distributions and autograd in double precision."""

from __future__ import annotations

import pytest
import torch

from perturbridge.latent._noise import generator
from perturbridge.latent.cells._batch import SparseRows
from perturbridge.latent.likelihoods._gaussian import gaussian
from perturbridge.latent.likelihoods._negative_binomial import negative_binomial

N, G = 7, 23


def draw(*, seed=0, largest=40, n_sets=1, fractional=False):
    source = generator(seed)
    counts = (torch.rand(N, G, generator=source) < 0.4) * torch.randint(1, largest, (N, G), generator=source)
    counts = counts.double() + (0.5 * (counts > 0) if fractional else 0)
    counts[0] = 0
    return {
        "counts": counts,
        "logits": 2 * torch.randn(N, G, generator=source).double(),
        "log_theta": torch.randn(n_sets, G, generator=source).double(),
        "log_library": counts.sum(1, keepdim=True).clamp_min(1).log(),
        "zero_logits": torch.randn(N, G, generator=source).double(),
    }


def plain(counts, logits, log_theta, log_library, zero_logits=None):
    mean, theta = logits.softmax(1) * log_library.exp(), log_theta.exp()
    log_sum = (mean + theta).log()
    nb = (
        theta * (log_theta - log_sum)
        + counts * (logits.log_softmax(1) + log_library - log_sum)
        + torch.lgamma(counts + theta)
        - torch.lgamma(theta)
        - torch.lgamma(counts + 1)
    )
    if zero_logits is None:
        return nb.sum(1)
    share = zero_logits.sigmoid()
    return torch.where(counts == 0, (share + (1 - share) * nb.exp()).log(), (1 - share).log() + nb).sum(1)


@pytest.mark.parametrize("zero_inflated", [False, True])
@pytest.mark.parametrize("dispersion", ["gene", "gene-context", "gene-cell"])
@pytest.mark.parametrize("fractional", [False, True])
def test_value_and_gradient_are_those_of_the_plain_formula(zero_inflated, dispersion, fractional):
    n_sets = {"gene": 1, "gene-context": 3, "gene-cell": N}[dispersion]
    drawn = draw(n_sets=n_sets, fractional=fractional)
    counts = drawn.pop("counts")
    sets = torch.arange(N) % 3 if dispersion == "gene-context" else None
    leaves = {name: value.requires_grad_() for name, value in drawn.items() if zero_inflated or name != "zero_logits"}
    weights = torch.linspace(0.5, 2, N).double()
    ours = negative_binomial(
        leaves["logits"],
        leaves["log_theta"],
        SparseRows.from_dense(counts),
        log_library=leaves["log_library"],
        sets=sets,
        zero_logits=leaves.get("zero_logits"),
    )
    theta = leaves["log_theta"] if sets is None else leaves["log_theta"][sets]
    oracle = plain(counts, leaves["logits"], theta, leaves["log_library"], leaves.get("zero_logits"))
    torch.testing.assert_close(ours, oracle, rtol=1e-9, atol=1e-9)
    mine = torch.autograd.grad((ours * weights).sum(), list(leaves.values()))
    theirs = torch.autograd.grad((oracle * weights).sum(), list(leaves.values()))
    for name, a, b in zip(leaves, mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}")


def test_single_precision_agrees_with_double_to_a_millionth():
    drawn = draw()
    counts = drawn.pop("counts")
    exact = plain(counts, drawn["logits"], drawn["log_theta"], drawn["log_library"])
    single = {name: value.float() for name, value in drawn.items()}
    ours = negative_binomial(
        single["logits"], single["log_theta"], SparseRows.from_dense(counts.float()), log_library=single["log_library"]
    )
    assert (ours - exact).abs().max() / exact.abs().max() < 1e-6


def test_it_is_the_distribution_of_torch():
    drawn = draw()
    mean, theta = drawn["logits"].softmax(1) * drawn["log_library"].exp(), drawn["log_theta"].exp()
    oracle = torch.distributions.NegativeBinomial(total_count=theta, logits=(mean / theta).log()).log_prob(
        drawn["counts"]
    )
    ours = negative_binomial(
        drawn["logits"], drawn["log_theta"], SparseRows.from_dense(drawn["counts"]), log_library=drawn["log_library"]
    )
    torch.testing.assert_close(ours, oracle.sum(1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_extreme_rates_stay_finite(logit):
    logits = torch.zeros(2, 3)
    logits[0, 0] = logit
    logits.requires_grad_()
    counts = torch.tensor([[3.0, 0, 1], [0, 0, 0]])
    theta = torch.tensor([[-12.0, 0.0, 12.0]], requires_grad=True)
    value = negative_binomial(logits, theta, SparseRows.from_dense(counts), log_library=torch.tensor([[1.4], [0.0]]))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(theta.grad).all()


def test_probabilities_of_one_gene_sum_to_one():
    counts = torch.arange(400.0).double().unsqueeze(1)
    library = torch.full((400, 1), 1.1).double()
    zero = torch.full((400, 1), -0.3).double()
    for zero_logits in (None, zero):
        value = negative_binomial(
            torch.zeros(400, 1).double(),
            torch.zeros(1, 1).double(),
            SparseRows.from_dense(counts),
            log_library=library,
            zero_logits=zero_logits,
        )
        assert value.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_gaussian_is_the_distribution_of_torch():
    drawn = draw()
    log_variance = drawn["log_theta"][0]
    oracle = torch.distributions.Normal(drawn["logits"], (0.5 * log_variance).exp()).log_prob(drawn["zero_logits"])
    torch.testing.assert_close(gaussian(drawn["logits"], log_variance, drawn["zero_logits"]), oracle.sum(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extra_zeros_at_the_ends_of_their_range(dtype):
    """Logits of ±200 and zeros that the negative binomial all but rules out, where exponentials underflow."""
    extremes = torch.tensor([-200.0, -90.0, 0.0, 70.0, 200.0], dtype=dtype)
    counts = torch.tensor([[0.0, 0, 0, 0, 0, 9], [0, 1, 0, 2, 0, 4]], dtype=dtype)
    zero_logits = torch.cat([extremes, torch.zeros(1, dtype=dtype)]).repeat(2, 1).requires_grad_()
    logits = torch.zeros(2, 6, dtype=dtype)
    log_theta = torch.full((1, 6), 5.0, dtype=dtype)
    for log_library in (0.0, 9.0):
        library = torch.full((2, 1), log_library, dtype=dtype)
        value = negative_binomial(
            logits, log_theta, SparseRows.from_dense(counts), log_library=library, zero_logits=zero_logits
        )
        found = torch.autograd.grad(value.sum(), zero_logits)[0]
        wide = zero_logits.detach().double().requires_grad_()
        mean, theta = library.double().exp() / 6, log_theta.double().exp()
        none = -theta * torch.log1p(mean / theta)
        x = counts.double()
        seen = torch.distributions.NegativeBinomial(theta, logits=(mean / theta).log()).log_prob(x)
        softplus = torch.nn.functional.softplus(wide)
        truth = torch.where(x == 0, torch.logaddexp(wide, none), seen) - softplus
        slope = torch.autograd.grad(truth.sum(), wide)[0]
        # The second cell has counts at logits whose probability of any count float32 cannot hold: they stop at e⁻⁸⁰.
        assert torch.allclose(value[0].double(), truth.sum(1)[0], rtol=1e-5)
        assert torch.isfinite(value).all()
        assert torch.allclose(found.double(), slope, atol=1e-6)
