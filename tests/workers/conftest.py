"""One small cluster for all tests of a process: starting one takes seconds."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from distributed import Client, LocalCluster

from perturbridge.workers import as_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perturbridge.workers import Workers


@pytest.fixture(scope="session")
def cluster_client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as made,
    ):
        yield made


@pytest.fixture
def client(cluster_client: Client) -> Client:
    # A test before may have killed some, which takes a moment to mend.
    cluster_client.wait_for_workers(2, timeout=60)
    return cluster_client


@pytest.fixture(params=["serial", "threads", "processes", "dask"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    if request.param == "serial":
        yield as_workers(None)
    elif request.param == "dask":
        yield as_workers(request.getfixturevalue("client"))
    else:
        kind = ThreadPoolExecutor if request.param == "threads" else ProcessPoolExecutor
        with kind(2) as executor:
            yield as_workers(executor)
