"""The same work in other places: threads, processes and a small Dask cluster, one worker of which may be killed."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from distributed import Client, LocalCluster

PLACES = ("threads", "processes", "dask")


@contextmanager
def small_cluster():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def somewhere(place, client):
    """What is passed as `client=` for a place; `client` is that of a small cluster."""
    if place == "dask":
        client.wait_for_workers(2, timeout=60)
        yield client
    else:
        with {"threads": ThreadPoolExecutor, "processes": ProcessPoolExecutor}[place](2) as executor:
            yield executor


class KillsOne:
    """A progress callback that kills a worker of the cluster as soon as something is done, with what it is doing and what it holds."""

    def __init__(self, client):
        client.wait_for_workers(2, timeout=60)
        self.victim = min(client.run(os.getpid).values())
        self.killed_at = None

    def __call__(self, done, total):
        if self.killed_at is None:
            os.kill(self.victim, signal.SIGKILL)
            self.killed_at = (done, total)


def digest(table):
    """SHA-256 of every column of a score table, in order."""
    told = hashlib.sha256()
    for name, column in table.columns().items():
        told.update(f"{name}{column.dtype}{column.shape}".encode() + np.ascontiguousarray(column).tobytes())
    return told.hexdigest()
