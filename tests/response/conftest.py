"""One small world for all, its exact alignment, and a base fitted on it."""

from dataclasses import dataclass

import numpy as np
import pytest
from tests.response._world import aligned_exactly, codes_of, make_world, rows_of

from perturbridge.response import ResponseModel, ResponseSettings


@dataclass(frozen=True, eq=False)
class Scene:
    """A world with what tests ask of it."""

    world: object
    batches: np.ndarray
    alignment: object

    def controls(self):
        """z, context and state of the control cells, as names, and as codes."""
        rows = rows_of(self.world.latent, "control")
        batch, state = (codes_of(self.world.latent, role)[rows] for role in ("context", "state"))
        z = self.world.latent.z[rows]
        return z, [f"b{i}" for i in batch], [f"s{i}" for i in state], batch, state

    def truth(self, name):
        z, _, _, batch, state = self.controls()
        return self.world.truth(name, z.astype(float), batch_shift=self.batches[batch], state=state)

    def moved(self, model, name):
        z, context, state, *_ = self.controls()
        return model.displacement(name, z, context=context, state=state)

    def error(self, model, names):
        off = sum(((self.moved(model, n) - self.truth(n)) ** 2).sum() for n in names)
        return float(np.sqrt(off / sum((self.truth(n) ** 2).sum() for n in names)))


@pytest.fixture(scope="session")
def scene_of():
    def build(**settings):
        world, batches = make_world(
            **({"n_train": 40, "n_unseen": 10, "n_controls": 400, "n_cells": 30, "n_dims": 6, "noise": 0.1} | settings)
        )
        return Scene(world, batches, aligned_exactly(world, batches))

    return build


@pytest.fixture(scope="session")
def scene(scene_of):
    return scene_of()


@pytest.fixture(scope="session")
def small():
    return ResponseSettings(n_prototypes=48, n_cells=120, epochs=20)


@pytest.fixture(scope="session")
def base(scene, small):
    return ResponseModel(scene.world.embedding, injection=None, settings=small).fit(
        scene.alignment, scene.world.latent, cells=scene.world.latent
    )


class LinearDecoder:
    """exp(z W + context · gene) as shares of a cell; keeps what contexts it was asked for."""

    genes = tuple(f"X{i}" for i in range(5))

    def __init__(self, n_dims):
        self.weights = np.random.default_rng(3).normal(size=(n_dims, 5)) * 0.2
        self.asked = []

    def decode(self, z, *, context, library_size):
        self.asked.append(context)
        score = np.exp(z @ self.weights + 0.1 * int((context or "b0")[1:]) * np.arange(5))
        return (score / score.sum(axis=1, keepdims=True) * np.reshape(library_size, (-1, 1))).astype(np.float32)

    def sample(self, z, *, context, library_size, rng):
        return rng.poisson(self.decode(z, context=context, library_size=library_size)).astype(np.float32)


@pytest.fixture
def decoder(scene):
    return LinearDecoder(scene.world.latent.n_dims)
