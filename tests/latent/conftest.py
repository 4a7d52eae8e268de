"""A small screen with three contexts, and a model of it that every test may read."""

from __future__ import annotations

import numpy as np
import pytest

from perturbridge.latent import Architecture, LatentModel, Training
from perturbridge.screens import simulate
from perturbridge.values import Normalization, RowChunk, Screen

SMALL = Architecture(n_latent=4, n_hidden=24)
QUICK = Training(epochs=6, batch_size=64, learning_rate=4e-3, precision="fp32")

GOOD = Training(epochs=100, batch_size=128, learning_rate=1e-2, precision="fp32")


class DenseSource:
    """Counts in a dense array, as a source of rows; counts what is read."""

    def __init__(self, counts):
        self.counts = np.asarray(counts, dtype=np.float32)
        self.read = []
        self.shape = self.counts.shape
        self.description = "counts in a test"
        self.path = None

    def read_rows(self, start, stop):
        self.read.append((start, stop))
        part = self.counts[start:stop]
        row, col = np.nonzero(part)
        indptr = np.concatenate([[0], np.cumsum((part != 0).sum(axis=1))]).astype(np.int64)
        return RowChunk(start, indptr, col.astype(np.int32), part[row, col])

    def row_ends(self):
        return np.cumsum((self.counts != 0).sum(axis=1))


def screen_of(counts, *, genes=None, like=None, rows=slice(None), context=None, kind="counts"):
    """A screen around counts; labels from `like` (its `rows`)."""
    counts = np.asarray(counts)
    pick = lambda labels: None if labels is None else type(labels)(labels.column, labels.categories, labels.codes[rows])  # noqa: E731
    return Screen(
        source=DenseSource(counts),
        genes=tuple(genes or (f"g{i}" for i in range(counts.shape[1]))),
        perturbations=() if like is None else like.perturbations,
        perturbation_codes=np.full(len(counts), -1) if like is None else like.perturbation_codes[rows],
        normalization=Normalization(kind=kind, place="X"),
        context=context if context is not None or like is None else pick(like.context),
        sample=None if like is None else pick(like.sample),
        state=None if like is None else pick(like.state),
        perturbation_column="perturbation",
    )


def small_simulation():
    return simulate.screen(
        n_perturbations=6,
        n_genes=50,
        cells_per_perturbation=50,
        n_controls=150,
        n_contexts=3,
        n_states=2,
        context_scale=0.6,
        state_scale=1.0,
        library_size=300,
        seed=3,
    )


def small_screen():
    return small_simulation().screen


@pytest.fixture(scope="session")
def simulated():
    return small_simulation()


@pytest.fixture(scope="session")
def screen(simulated):
    return simulated.screen


@pytest.fixture(scope="session")
def counts(simulated):
    return np.asarray(simulated.counts, dtype=np.float32)


@pytest.fixture(scope="session")
def model(screen):
    return LatentModel(architecture=SMALL, training=QUICK).fit(screen)


@pytest.fixture(scope="session")
def trained(screen):
    """A model that has seen enough steps to be judged."""
    return LatentModel(architecture=SMALL, training=GOOD).fit(screen)
