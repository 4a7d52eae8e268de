"""An alignment is the same to the last bit wherever its perturbations are aligned, even if a worker is killed."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import fields

import numpy as np
import pytest
from tests._spread import KillsOne
from tests.transport._worlds import make_world
from threadpoolctl import threadpool_limits

from perturbridge.errors import DataError
from perturbridge.transport import AlignmentSettings, align_latent
from perturbridge.transport._many import _align_batch

N = 30


@pytest.fixture(scope="module")
def world():
    return make_world(0, "group", n=400, m=200, n_dims=12, n_perturbations=N)


@pytest.fixture(scope="module")
def guide(world):
    """Guides of the controls, as placebos; every other cell has none of them."""
    names = np.array(["none"] * len(world.condition), dtype=object)
    names[: world.n_controls] = [f"g{i % 5}" for i in range(world.n_controls)]
    return names


def align(world, guide, **more):
    return align_latent(
        world.latent, audit="override: planted", condition=world.condition, context=world.batch, guide=guide, **more
    )


def digest(alignment):
    """SHA-256 of everything an alignment says."""
    told = hashlib.sha256()

    def add(value):
        if isinstance(value, np.ndarray):
            told.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, tuple):
            for one in value:
                add(one)
        elif hasattr(value, "__dataclass_fields__") and not hasattr(value, "as_json"):
            for one in fields(value):
                add(getattr(value, one.name))
        else:
            told.update(repr(value.as_json() if hasattr(value, "as_json") else value).encode())

    for one in fields(alignment):
        value = getattr(alignment, one.name)
        add(dict(value) if hasattr(value, "items") else value)
    return told.hexdigest()


@pytest.fixture(scope="module")
def here(world, guide):
    return digest(align(world, guide))


def test_the_bits_are_those_of_one_process(world, guide, here, elsewhere):
    assert digest(align(world, guide, client=elsewhere)) == here


def test_the_number_of_threads_changes_no_bit():
    """At a size where the number of threads did change the last digits of plans before each was kept to one."""
    large = make_world(0, "group", n=2000, m=300, n_perturbations=2)
    found = []
    for n in (1, 2):
        with threadpool_limits(limits=n):
            found.append(digest(align(large, None, settings=AlignmentSettings(strata="none", n_null=2))))
    assert found[0] == found[1]


def test_the_digest_sees_another_seed(world, guide, here):
    assert digest(align(world, guide, settings=AlignmentSettings(seed=1))) != here


def test_a_worker_that_is_killed_changes_no_bit(world, guide, here, cluster_client):
    kills = KillsOne(cluster_client)
    assert digest(align(world, guide, client=cluster_client, progress=kills)) == here
    done, total = kills.killed_at
    assert done < total == N


def test_progress_counts_perturbations(world, cluster_client):
    seen = []
    align(world, None, client=cluster_client, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (N, N)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_task_that_is_done_again_draws_the_same(world, guide, monkeypatch):
    """What a worker holds of a task must be as it was sent, since it may be asked for it twice."""
    caught = []

    def kept(batch, beside):
        before = deepcopy(batch)
        first, second = _align_batch(batch, beside), _align_batch(batch, beside)
        caught.append((before, batch, first, second))
        return first

    monkeypatch.setattr("perturbridge.transport._many._align_batch", kept)
    align(world, None)
    assert caught
    for before, batch, first, second in caught[:3]:
        assert before[0][1].bit_generator.state == batch[0][1].bit_generator.state
        assert first[0].plans[0].as_json() == second[0].plans[0].as_json()


def test_a_wrong_client_is_refused_before_any_work(world, guide):
    with pytest.raises(DataError, match="client is of type int"):
        align(world, guide, client=4)
