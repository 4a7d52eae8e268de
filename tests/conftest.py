"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data, named by PERTURBRIDGE_DATA; in CI a missing folder is a failure, not a skip."""
    folder = os.environ.get("PERTURBRIDGE_DATA", "")
    if folder and Path(folder).is_dir():
        return Path(folder)
    if os.environ.get("PERTURBRIDGE_NO_SKIP"):
        pytest.fail(f"PERTURBRIDGE_DATA is {folder!r}: the real data must be there in CI")
    pytest.skip("PERTURBRIDGE_DATA is unset: tests on real data need it")


@pytest.fixture(scope="session")
def cluster_client():
    """Client of one small cluster for all tests of a process: starting one takes seconds."""
    from tests._spread import small_cluster

    with small_cluster() as client:
        yield client


@pytest.fixture(scope="session")
def process_pool():
    """One pool for all tests of a process."""
    from tests._spread import small_pool

    with small_pool() as pool:
        yield pool


@pytest.fixture(params=["threads", "processes", "dask"])
def elsewhere(request):
    """What is passed as `client=`, of each kind."""
    if request.param == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    elif request.param == "processes":
        yield request.getfixturevalue("process_pool")
    else:
        client = request.getfixturevalue("cluster_client")
        client.wait_for_workers(2, timeout=60)
        yield client
