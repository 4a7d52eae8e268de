"""MMD and HSIC against what they are defined to be, written out with loops."""

import itertools

import numpy as np
import pytest
import torch

from perturbridge.latent import penalties as p

from .conftest import Plant


def small(seed=0):
    rng = np.random.default_rng(seed)
    label = np.array([0, 1, 1, 0, 2, 1, 0, 0, 1])
    stratum = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])
    overlap = p.Overlap.of(label, stratum, n_labels=3, n_strata=3)
    return rng.normal(size=(9, 2)), label, stratum, overlap


def kernel(z, bandwidths):
    z = (z - z.mean(axis=0)) / z.std(axis=0, ddof=1)
    distances = ((z[:, None] - z[None]) ** 2).sum(-1)
    pairs = np.sort(distances[np.triu_indices(len(z), 1)])
    median = pairs[(len(pairs) - 1) // 2]
    return np.mean([np.exp(-distances / (b * median)) for b in bandwidths], axis=0)


def on(module, z, label, stratum):
    cells = p.Cells(torch.tensor(z, dtype=torch.float64), torch.tensor(label), torch.tensor(stratum))
    return float(module.double()(cells).figure)


@pytest.mark.parametrize("make", [p.MMD, p.HSIC])
def test_zero_on_average_over_all_relabelings_within_strata(make):
    z, label, stratum, overlap = small()
    places = [np.flatnonzero(stratum == s) for s in range(3)]
    found = []
    for turns in itertools.product(*(itertools.permutations(where) for where in places)):
        turned = label.copy()
        for where, turn in zip(places, turns, strict=True):
            turned[where] = label[list(turn)]
        found.append(turned)
    values = [on(make(overlap), z, turned, stratum) for turned in found[::1]]
    assert len(values) == 6 * 24 * 2
    assert np.std(values) > 0.01
    assert abs(np.mean(values)) < 1e-7


def test_mmd_is_the_weighted_discrepancy_of_each_pair_of_labels():
    z, label, stratum, overlap = small()
    k, share, weight = kernel(z, (0.25, 1.0, 4.0)), overlap.shares, overlap.stratum_shares
    size = overlap.counts.sum(axis=1)
    total, n_pairs, n = 0.0, 0, len(z)
    for a, b in itertools.combinations(range(3), 2):
        both = np.maximum(share[:, a] + share[:, b], 1e-12)
        tilt = share[:, a] * share[:, b] / both
        mass = weight @ tilt
        if mass == 0:
            continue
        n_pairs += 1
        sign = (label == a) * 1.0 - (label == b)
        alpha = sign * tilt[stratum] / np.maximum(share[stratum, label], 1e-12) / mass
        for i, j in itertools.permutations(range(n), 2):
            same = stratum[i] == stratum[j]
            own = 0.0
            if same:
                own = np.mean(alpha[stratum == stratum[i]] ** 2) / (size[stratum[i]] - 1)
            each = k[i, j] * (alpha[i] * alpha[j] + own) * (1 + same) / (1 + (weight**2).sum()) / (n * (n - 1))
            total += min(1, 6 * mass) * each
    assert on(p.MMD(overlap), z, label, stratum) == pytest.approx(total / n_pairs, rel=1e-6)


def test_hsic_is_the_covariance_with_the_residual_of_the_label():
    z, label, stratum, overlap = small()
    k, share, weight = kernel(z, (1.0,)), overlap.shares, overlap.stratum_shares
    r = (np.eye(3)[label] - share[stratum]) / np.sqrt(overlap.label_shares)
    total, n = 0.0, len(z)
    for i, j in itertools.permutations(range(n), 2):
        same = stratum[i] == stratum[j]
        here = stratum == stratum[i]
        own = np.mean((r[here] ** 2).sum(axis=1)) / (here.sum() - 1) if same else 0.0
        total += k[i, j] * (r[i] @ r[j] + own) * (1 + same) / (1 + (weight**2).sum()) / (n * (n - 1))
    spread = 1 - (k.sum() - n) / (n * (n - 1))
    variance = np.mean((r**2).sum(axis=1))
    assert on(p.HSIC(overlap), z, label, stratum) == pytest.approx(total / spread / variance, rel=1e-6)


def test_scale_and_place_of_the_latent_do_not_matter():
    plant = Plant(effect=1.0)
    cells = plant.cells(slice(0, 128), dtype=torch.float64)
    for make in (p.MMD, p.HSIC):
        module = make(plant.overlap).double()
        moved = cells._replace(z=cells.z * torch.tensor([5.0, 0.01, 1.0, 3.0]) + 2.0)
        assert torch.allclose(module(cells).loss, module(moved).loss, atol=1e-6)


def test_pairs_are_taken_among_the_first_256_cells():
    plant = Plant(effect=1.0)
    cells = plant.cells(slice(0, 1000))
    first = p.Cells(*(part[:256] for part in cells))
    for make in (p.MMD, p.HSIC):
        assert torch.allclose(make(plant.overlap)(cells).loss, make(plant.overlap)(first).loss)


def test_rare_labels_count_as_much():
    """A shift of the rare label is found about as large as the same shift of the frequent one."""
    found = []
    for shifted in (0, 1):
        rng = np.random.default_rng(3)
        label = (rng.random(20_000) < 0.1).astype(int)
        z = rng.normal(size=(20_000, 2))
        z[label == shifted, 0] += 1.0
        stratum = np.zeros_like(label)
        overlap = p.Overlap.of(label, stratum, n_labels=2, n_strata=1)
        module = p.MMD(overlap)
        batches = rng.permutation(20_000)[: 256 * 78].reshape(78, 256)
        found.append(np.mean([on(module, z[b], label[b], stratum[b]) for b in batches]))
    assert found[0] == pytest.approx(found[1], rel=0.25)


def test_golden():
    """Recipe: `small(seed=7)`; computed by the loops above in float64."""
    z, label, stratum, overlap = small(seed=7)
    assert on(p.MMD(overlap), z, label, stratum) == pytest.approx(GOLDEN_MMD, rel=1e-5)
    assert on(p.HSIC(overlap), z, label, stratum) == pytest.approx(GOLDEN_HSIC, rel=1e-5)


GOLDEN_MMD = 0.019771913794598344
GOLDEN_HSIC = 0.017163975541745823
