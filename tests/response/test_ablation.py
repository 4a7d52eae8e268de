"""On displacements that transport estimates: cells of an unseen gene, against the planted truth."""

import numpy as np
import pytest
from tests.response._world import make_world, relative_error

from perturbridge.response import ResponseModel, ResponseSettings
from perturbridge.transport import AlignmentSettings, align_latent


@pytest.fixture(scope="module")
def world():
    return make_world(
        n_train=60, n_unseen=20, n_controls=800, n_cells=120, n_dims=16, within=0.0, by_state=0.8, skewed=True, seed=1
    )


def errors_of(world, batches, solver):
    """Per cell, and of the mean of the prediction over all cells, for perturbations nobody has seen."""
    alignment = align_latent(
        world.latent,
        audit="override: planted",
        perturbations=world.train,
        settings=AlignmentSettings(solver=solver),
    )
    settings = ResponseSettings(n_prototypes=96, n_cells=256)
    model = ResponseModel(world.embedding, injection=None, settings=settings).fit(alignment, world.latent)

    def cells(name, z, context, state):
        return model.displacement(name, z, context=context, state=state)

    def mean(name, z, context, state):
        return np.broadcast_to(cells(name, z, context, state).mean(axis=0), z.shape)

    return [relative_error(world, batches, world.unseen, each) for each in (cells, mean)]


@pytest.mark.slow
def test_cells_beat_their_mean_and_raw_targets_are_worse_than_nothing(world):
    per_cell, mean = errors_of(*world, "sinkhorn")
    assert per_cell < 0.8 * mean
    raw, _ = errors_of(*world, "raw")
    assert raw > 1.0 > per_cell
