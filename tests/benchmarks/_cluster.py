"""Pseudo-bulk by workers: the SHA-256 of every array of the result, wall time and speed-up, against one process on the same file.

One process of one thread, `LocalCluster` with 1, 2 and 4 workers, and a scheduler with two workers that were started as programs of their
own and are reached over the loopback (`tcp://127.0.0.1`). Workers are up and warm (compiler cache filled) before the clock starts, as they
are for the second screen of a session. PERTURBRIDGE_BENCHMARK_DIR names a folder in which the simulated file is kept; if the one of a million
cells that the benchmark `scale` makes is there, it is summed as well.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tests._spread import start_dask

from ._pseudobulk import SMALL

SIZES = {
    False: {"n_cells": 200_000, "n_genes": 8_000, "n_conditions": 2_000, "n_contexts": 48},
    True: {"n_cells": 20_000, "n_genes": 1_000, "n_conditions": 100, "n_contexts": 12},
}


def run(*, quick: bool) -> list[dict]:
    from perturbridge.screens import read_screen

    os.environ["NUMBA_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        large, small = files(Path(scratch), quick=quick)
        found = _everywhere((read_screen(large), read_screen(small)), Path(scratch))
        larger = large.with_name("cells-1000000.h5ad")
        if not quick and larger.exists():
            found += _everywhere((read_screen(larger), read_screen(small)), Path(scratch))
    return found


def _everywhere(screens, scratch: Path) -> list[dict]:
    rows = [_timed("one process", None, screens)]
    for n in (1, 2, 4):
        with local(n) as client:
            rows.append(_timed(f"LocalCluster, {n} workers", client, screens))
    with apart(2, scratch) as client:
        rows.append(_timed("scheduler and 2 workers over tcp://127.0.0.1", client, screens))
    one = dict(rows[0])
    for row in rows:
        row["speed-up"] = one["wall_s"] / row["wall_s"]
        row["equal"] = row["sha256"] == one["sha256"]
        row["sha256"] = row["sha256"][:12]
    return rows


def files(scratch: Path, *, quick: bool) -> tuple[Path, Path]:
    """A large screen, kept between runs where a folder for it is named, and a small one to warm up with."""
    from perturbridge.screens import simulate

    kept = os.environ.get("PERTURBRIDGE_BENCHMARK_DIR")
    large, small = Path(kept or scratch) / f"cells-{SIZES[quick]['n_cells']}.h5ad", scratch / "small.h5ad"
    for path, sizes in ((large, SIZES[quick]), (small, SMALL)):
        if not path.exists():
            simulate.write_large(path, **sizes)
    return large, small


def digest(effects) -> str:
    """SHA-256 over every array of the effects and their fingerprint."""
    found = hashlib.sha256(effects.fingerprint.encode())
    table = effects.contexts
    for array in (
        effects.delta,
        effects.variance,
        effects.detected,
        effects.n_cells,
        effects.control_mean,
        table.n_perturbed,
        table.control_mean,
        table.control_variance,
    ):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


@contextmanager
def local(n: int):
    from perturbridge.workers import open_workers

    with open_workers(f"local:{n}") as workers:
        yield workers.client


@contextmanager
def apart(n: int, folder: Path):
    """A scheduler and workers as programs of their own, as on several machines."""
    from distributed import Client

    file = folder / f"scheduler-{time.monotonic_ns()}.json"
    started = [
        start_dask("scheduler", "--scheduler-file", str(file), "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
    ]
    arguments = ("--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
    started += [start_dask("worker", *arguments) for _ in range(n)]
    try:
        while not file.exists():
            time.sleep(0.1)
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(n, timeout=60)
            yield client
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _timed(label: str, client, screens) -> dict:
    from perturbridge.screens import pseudobulk

    large, small = screens
    pseudobulk(small, client=client)
    began = time.perf_counter()
    effects = pseudobulk(large, client=client)
    return {
        "cells": large.n_cells,
        "who": label,
        "wall_s": time.perf_counter() - began,
        "load": os.getloadavg()[0],
        "sha256": digest(effects),
    }
