"""Two blocks kept apart."""

import numpy as np
import pytest
import torch

from perturbridge.latent import penalties as p


def blocks(n=200, *, rho=0.0, seed=0, n_strata=4):
    rng = np.random.default_rng(seed)
    stratum = rng.integers(n_strata, size=n)
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    y[:, 0] = rho * x[:, 0] + np.sqrt(1 - rho**2) * y[:, 0]
    shift = 4 * rng.normal(size=(n_strata, 1))
    return torch.tensor(x + shift[stratum]), torch.tensor(y + shift[stratum]), torch.tensor(stratum)


def mean_of(rho, *, n_draws=300):
    module = p.CrossCovariance(4)
    found = [float(module(*blocks(rho=rho, seed=s)).figure) for s in range(n_draws)]
    return np.mean(found), np.std(found) / np.sqrt(n_draws)


def test_zero_where_only_the_stratum_moves_both():
    mean, error = mean_of(0.0)
    assert abs(mean) < 3 * error
    assert error < 0.01


@pytest.mark.parametrize("rho", [0.4, 0.8])
def test_a_planted_correlation_comes_out_squared(rho):
    mean, error = mean_of(rho)
    assert mean == pytest.approx(rho**2, abs=3 * error + 0.01)


def test_golden_by_loops():
    x, y, stratum = blocks(n=60)
    rank = np.zeros(60, dtype=int)
    for s in range(4):
        rank[np.flatnonzero(stratum.numpy() == s)] = np.arange(int((stratum == s).sum()))
    half, code = rank % 2, stratum.numpy()
    both, degrees = np.concatenate([x.numpy(), y.numpy()], axis=1), [0, 0]
    for s in range(4):
        for h in (0, 1):
            here = (code == s) & (half == h)
            both[here] -= both[here].mean(axis=0)
            degrees[h] += max(int(here.sum()) - 1, 0)
    both /= np.sqrt((both**2).sum(axis=0) / sum(degrees))
    first, second = (both[half == h, :3].T @ both[half == h, 3:] / degrees[h] for h in (0, 1))
    assert float(p.CrossCovariance(4)(x, y, stratum).figure) == pytest.approx(np.sum(first * second), rel=1e-9)


def test_scale_does_not_matter_and_so_shrinking_does_not_please():
    x, y, stratum = blocks(rho=0.5)
    module = p.CrossCovariance(4)
    assert torch.allclose(module(x, y, stratum).loss, module(x * 7 + 1, y * 0.01, stratum).loss)
    x.requires_grad_()
    module(x, y, stratum).loss.backward()
    centered = x.detach() - torch.stack([x.detach()[stratum == s].mean(0) for s in range(4)])[stratum]
    assert abs(float((x.grad * centered).sum())) < 1e-6


def test_gradient_against_finite_differences():
    x, y, stratum = blocks(n=24, rho=0.5)
    module = p.CrossCovariance(4)
    assert torch.autograd.gradcheck(
        lambda a, b: module(a, b, stratum).loss, (x.requires_grad_(), y.requires_grad_()), atol=1e-6
    )


def test_cells_without_stratum_are_left_out_and_lone_cells_say_nothing():
    x, y, stratum = blocks(n=50)
    module = p.CrossCovariance(4)
    hidden = stratum.clone()
    hidden[:10] = -1
    assert torch.allclose(module(x, y, hidden).loss, module(x[10:], y[10:], stratum[10:]).loss)
    assert float(module(x[:4], y[:4], torch.arange(4)).loss) == 0.0
