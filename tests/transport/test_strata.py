"""How many clusters there are, and to which a perturbed cell belongs."""

import numpy as np
import pytest

from perturbridge.transport import AlignmentSettings, align_latent
from perturbridge.transport._strata import cluster_controls, settled_clusters

from ._worlds import make_world


@pytest.mark.parametrize("states", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_as_many_clusters_as_states_were_planted(states, seed):
    world = make_world(seed, n=1500, m=10, n_dims=16, states=states)
    alignment = align_latent(
        world.latent, audit="override: planted", condition=world.condition, context=world.batch,
        settings=AlignmentSettings(n_null=2, n_draws=19),
    )  # fmt: skip
    assert len(alignment.strata) == states
    assert alignment.strata_by == "clusters"
    n = world.n_controls
    x = alignment.centred(world.latent.z[:n], world.batch[:n])
    found = alignment.strata_of(x)
    table = np.array(
        [[((found == k) & (world.state[:n] == f"s{s}")).sum() for s in range(states)] for k in range(states)]
    )
    assert table.max(axis=1).sum() / n > 0.99


def test_a_number_that_is_asked_for_is_given():
    x = np.random.default_rng(0).normal(size=(300, 4))
    assert len(cluster_controls(x, n_clusters=3, rng=np.random.default_rng(0))) == 3


def test_no_more_clusters_than_places():
    x = np.repeat(np.array([[0.0, 0.0], [5.0, 5.0]]), 200, axis=0)
    assert len(cluster_controls(x, n_clusters=0, rng=np.random.default_rng(0))) <= 2
    assert len(cluster_controls(x[:200], n_clusters=5, rng=np.random.default_rng(0))) == 1


def test_perturbed_cells_are_judged_from_where_they_were():
    rng = np.random.default_rng(0)
    centres = np.array([[-3.0, 0.0], [3.0, 0.0]])
    state = np.repeat([0, 1], [60, 140])
    y = centres[state] + rng.normal(size=(200, 2)) * 0.7 + np.array([3.5, 0.0])
    settled = settled_clusters(y, centres=centres, shares=np.array([0.5, 0.5]))
    nearest = ((y[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == state).mean() < 0.8
    assert (settled == state).mean() > 0.95


@pytest.mark.parametrize("k", [1, 3])
def test_no_cells_belong_nowhere(k):
    centres = np.arange(2.0 * k).reshape(k, 2)
    assert settled_clusters(np.zeros((0, 2)), centres=centres, shares=np.full(k, 1 / k)).shape == (0,)
