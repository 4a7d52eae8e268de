"""The same work in other places: a small Dask cluster, one worker of which may be killed, and a pool of processes.

Both would use two threads for each task, where Dask by itself sees to one: what a task computes must not depend on that.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np
from threadpoolctl import threadpool_limits

from perturbridge.workers._open import BYTES_MAPPED_FROM

N_THREADS = 2


@contextmanager
def small_cluster(n_workers=2):
    import dask
    from distributed import Client, LocalCluster

    names = (f"distributed.nanny.pre-spawn-environ.{name}_NUM_THREADS" for name in ("OMP", "OPENBLAS", "MKL"))
    with (
        dask.config.set(dict.fromkeys(names, N_THREADS)),
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def start_dask(kind, *arguments):
    """Start a scheduler or a worker as a program of its own."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
    # See `open_workers`, which sees to it for workers of its own.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(BYTES_MAPPED_FROM)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def small_pool():
    # Forked processes would inherit whatever threads and locks of a cluster there are.
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=_use_threads)


def _use_threads():
    threadpool_limits(limits=N_THREADS)


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
