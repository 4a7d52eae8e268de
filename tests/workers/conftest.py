"""Workers of each kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from perturbridge.workers import as_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from perturbridge.workers import Workers


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
    elif request.param == "processes":
        yield as_workers(request.getfixturevalue("process_pool"))
    else:
        with ThreadPoolExecutor(2) as executor:
            yield as_workers(executor)
