"""Identities of the evidence lower bound, and the pieces it is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perturbridge.latent._bound import log_evidence
from perturbridge.latent._noise import Noise, generator
from perturbridge.latent.modules._posterior import Posterior


def normals(n=3, d=2, seed=0):
    source = generator(seed)
    return Posterior(torch.randn(n, d, generator=source).double(), torch.rand(n, d, generator=source).double() + 0.2)


def test_closed_form_kl_is_the_mean_of_the_log_ratio():
    q, mean, variance = normals(), 0.3, 1.7
    noise = torch.randn(200_000, 3, 2, generator=generator(1)).double()
    z = q.at(noise)
    ratio = torch.distributions.Normal(q.mean, q.variance.sqrt()).log_prob(z) - torch.distributions.Normal(
        mean, variance**0.5
    ).log_prob(z)
    torch.testing.assert_close(q.kl(mean, variance), ratio.mean(0), atol=4 * float(ratio.std()) / 200_000**0.5, rtol=0)


def test_reparameterized_gradient_is_unbiased():
    # E_q z² = μ² + σ², whose slopes are 2μ and 1 in (μ, σ²).
    mean, variance = torch.tensor([0.7], requires_grad=True), torch.tensor([0.5], requires_grad=True)
    noise = torch.randn(400_000, 1, generator=generator(2))
    (Posterior(mean, variance).at(noise) ** 2).mean().backward()
    assert mean.grad.item() == pytest.approx(1.4, abs=0.01)
    assert variance.grad.item() == pytest.approx(1.0, abs=0.01)


def test_evidence_is_above_the_bound_and_more_samples_raise_it(model, screen):
    bound = model.elbo(screen, n_samples=20).mean()
    few, many = (log_evidence(model.open(screen), n_samples=k, seed=0).mean() for k in (2, 50))
    assert bound < few < many


def test_refining_raises_the_bound_of_cells(model, screen):
    plain, refined = model.encode(screen), model.encode(screen, refine=10)
    assert not np.array_equal(plain.z, refined.z)
    assert model.diagnose(screen, n_cells=200).amortization_gap > 0


def test_every_gradient_of_the_model_is_that_of_finite_differences(screen, model):
    from perturbridge.latent.training._objective import objective

    module = model.fitted_.module
    batch = next(iter(model.open(screen, np.arange(12)).batches()))

    def loss():
        noise = Noise.whole(12, generator(5))
        return objective(module, batch, noise, penalties=[], weight=0.7, free_bits=0.05, label_strength=0.0, share=0.5)[
            0
        ]

    module.double()
    try:
        counts = batch.counts
        wide = type(counts)(
            **{
                **vars(counts),
                "value": counts.value.double(),
                "total": counts.total.double(),
                "log_factorial": counts.log_factorial.double(),
            }
        )
        batch = type(batch)(counts=wide, context=batch.context, stratum=batch.stratum, label=batch.label)
        module.encoder.stack.dropout, kept = 0.0, module.encoder.stack.dropout
        names, parameters = zip(*module.named_parameters(), strict=True)
        slopes = torch.autograd.grad(loss(), parameters)
        direction = [torch.randn(p.shape, generator=generator(i)).double() for i, p in enumerate(parameters)]
        for name, p, slope, d in zip(names, parameters, slopes, direction, strict=True):
            with torch.no_grad():
                p.add_(d, alpha=1e-5)
                above = loss()
                p.add_(d, alpha=-2e-5)
                below = loss()
                p.add_(d, alpha=1e-5)
            assert float((slope * d).sum()) == pytest.approx(float(above - below) / 2e-5, rel=1e-4, abs=1e-5), name
        module.encoder.stack.dropout = kept
    finally:
        module.float()
