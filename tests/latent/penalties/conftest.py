"""Latents with a planted dependence on strata and on a label, and penalties ready to look at them."""

import numpy as np
import pytest
import torch

from perturbridge.latent import penalties as p

N_DIMS = 4
STRATA = 5


def generator(seed=0):
    made = torch.Generator()
    made.manual_seed(seed)
    return made


class Plant:
    """z = stratum · 3 + effect · label + noise; the label goes with the stratum by `association`; rare labels are wanted."""

    def __init__(self, *, n=3000, association=0.0, effect=0.0, n_labels=2, kind="mean", seed=0):
        rng = np.random.default_rng(seed)
        self.stratum = rng.integers(STRATA, size=n)
        free = rng.choice(n_labels, size=n, p=np.arange(n_labels, 0, -1) / np.arange(1, n_labels + 1).sum())
        self.label = np.where(rng.random(n) < association, self.stratum % n_labels, free)
        z = rng.normal(size=(n, N_DIMS)) + 3 * rng.normal(size=(STRATA, N_DIMS))[self.stratum]
        if kind == "mean":
            z[:, 0] += effect * self.label
        elif kind == "spread":
            z[:, :2] += (1 + effect * self.label[:, None]) * rng.normal(size=(n, 2))
        elif kind == "turns":  # cancels over strata
            z[:, 0] += effect * self.label * np.where(self.stratum == 0, 4 * (self.stratum == 0), -1)
        self.z = z
        self.overlap = p.Overlap.of(self.label, self.stratum, n_labels=n_labels, n_strata=STRATA)
        self.rng = rng

    def cells(self, rows=slice(None), *, dtype=torch.float32):
        return p.Cells(
            torch.tensor(self.z[rows], dtype=dtype), torch.tensor(self.label[rows]), torch.tensor(self.stratum[rows])
        )

    def batches(self, n_batches, size=128):
        for _ in range(n_batches):
            yield self.cells(self.rng.choice(len(self.z), size, replace=False))


def build(kind, overlap, n_dims=N_DIMS):
    if kind in ("mmd", "hsic"):
        return {"mmd": p.MMD, "hsic": p.HSIC}[kind](overlap)
    table = {"classifier": p.Classifier, "adversary": p.Adversary, "club": p.CLUB}
    return table[kind](overlap, n_dims=n_dims, generator=generator())


def trained(kind, plant, steps=60):
    """A penalty whose own head, if it has one, has learnt on half of the cells."""
    module = build(kind, plant.overlap)
    if list(module.parameters()):
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
        half = np.arange(len(plant.z) // 2)
        for _ in range(steps):
            optimizer.zero_grad()
            module(plant.cells(plant.rng.choice(half, 128, replace=False))).loss.backward()
            optimizer.step()
    return module


def figures(module, plant, *, n_batches=150, size=128):
    """Figure on minibatches of the other half; mean and standard error."""
    rest = np.arange(len(plant.z) // 2, len(plant.z))
    with torch.no_grad():
        found = [
            float(module(plant.cells(plant.rng.choice(rest, size, replace=False))).figure) for _ in range(n_batches)
        ]
    return float(np.mean(found)), float(np.std(found) / np.sqrt(n_batches))


@pytest.fixture(params=["classifier", "adversary", "mmd", "hsic", "club"])
def kind(request):
    return request.param
