"""Pseudo-bulk while its processes are killed: is the result the one of an undisturbed run, and is anything left behind?

A worker of two is killed with SIGKILL at ten moments of the run, drawn at random (shares of the seconds an undisturbed run takes, in which
either worker is reading, adding, sending or merging), the process that asked for the work (the client) once and started again with the
same checkpoint, and the scheduler once. A worker that is stopped and goes on later is one whose disk does not answer for a while.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from ._cluster import apart, digest, files, local

N_KILLS = {False: 10, True: 2}
SECONDS_STALLED = {False: 30.0, True: 3.0}
ROOT = Path(__file__).parents[2]


def run(*, quick: bool) -> list[dict]:
    from perturbridge.screens import pseudobulk, read_screen

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path, _ = files(folder, quick=quick)
        screen = read_screen(path)
        whole = digest(pseudobulk(screen))
        usual = _kill_worker(screen, folder, after=None)["wall_s"]
        moments = np.sort(np.random.default_rng(0).uniform(0.02, 0.9, N_KILLS[quick]))
        rows = [_kill_worker(screen, folder, after=float(share) * usual) for share in moments]
        rows.append(_stall_worker(screen, folder, after=0.3 * usual, seconds=SECONDS_STALLED[quick]))
        rows += [_kill_client(path, folder), _kill_scheduler(screen, folder)]
    for row in rows:
        row["equal"] = row.pop("sha256") == whole
    return rows


def _kill_worker(screen, folder: Path, *, after: float | None) -> dict:
    from perturbridge.screens import pseudobulk

    kept = folder / "kept"
    with local(2) as client:
        pids = list(client.run(os.getpid).values())
        # The older and the newer worker in turn.
        timer = threading.Timer(after or 0.0, os.kill, (pids[round(1000 * (after or 0.0)) % 2], signal.SIGKILL))
        began = time.perf_counter()
        if after is not None:
            timer.start()
        effects = pseudobulk(screen, client=client, checkpoint=kept)
        seconds = time.perf_counter() - began
        alive = set(client.run(os.getpid).values()) >= set(pids)
    assert after is None or not alive, "it ended before the worker was killed"
    said = {"killed": "worker", "after_s": after, "wall_s": seconds, "left": kept.exists()}
    return {**said, "sha256": digest(effects)}


def _stall_worker(screen, folder: Path, *, after: float, seconds: float) -> dict:
    from perturbridge.screens import pseudobulk

    kept = folder / "stalled"
    with local(2) as client:
        pid = next(iter(client.run(os.getpid).values()))
        blows = [threading.Timer(after, os.kill, (pid, signal.SIGSTOP))]
        blows.append(threading.Timer(after + seconds, os.kill, (pid, signal.SIGCONT)))
        began = time.perf_counter()
        for blow in blows:
            blow.start()
        effects = pseudobulk(screen, client=client, checkpoint=kept)
        took = time.perf_counter() - began
        for blow in blows:
            blow.join()
    said = {
        "killed": f"no one; a worker stopped for {seconds:.0f} s",
        "after_s": after,
        "wall_s": took,
        "left": kept.exists(),
    }
    return {**said, "sha256": digest(effects)}


CLIENT = """
import os, signal, sys
import perturbridge.workers._interface as interface
from perturbridge.screens import pseudobulk, read_screen
from tests.benchmarks._cluster import digest
interface.KEEP_SECONDS = 0.2
def told(done, total):
    if sys.argv[3] == "die" and done > 0.5 * total:
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[3] == "live" and not first:
        first.append(done / total)
first = []
print(digest(pseudobulk(read_screen(sys.argv[1]), checkpoint=sys.argv[2], progress=told)), first[0])
"""


def _kill_client(path: Path, folder: Path) -> dict:
    kept = folder / "client"
    command = [sys.executable, "-c", CLIENT, str(path), str(kept)]
    died = subprocess.run([*command, "die"], cwd=ROOT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    half_written = [file.name for file in kept.iterdir() if not file.name.startswith("sums-")]
    began = time.perf_counter()
    lived = subprocess.run([*command, "live"], cwd=ROOT, check=True, capture_output=True, text=True)
    found, first = lived.stdout.split()
    return {
        "killed": f"client; started again, it went on at {float(first):.2f}",
        "after_s": "half",
        "wall_s": time.perf_counter() - began,
        "left": kept.exists() or bool(half_written),
        "sha256": found,
    }


def _kill_scheduler(screen, folder: Path) -> dict:
    import perturbridge.workers._interface as interface
    from perturbridge.errors import DataError
    from perturbridge.screens import pseudobulk

    kept, said, pause = folder / "scheduler", "", interface.KEEP_SECONDS
    interface.KEEP_SECONDS = 0.2
    try:
        with apart(2, folder) as client:

            def told(done: int, total: int) -> None:
                if done > 0.6 * total:
                    os.kill(client.run_on_scheduler(os.getpid), signal.SIGKILL)

            pseudobulk(screen, client=client, checkpoint=kept, progress=told)
    except DataError as error:
        said = str(error)
    finally:
        interface.KEEP_SECONDS = pause
    assert "cannot be reached" in said, said
    first: list[float] = []
    began = time.perf_counter()
    with local(2) as client:
        effects = pseudobulk(screen, client=client, checkpoint=kept, progress=lambda done, n: first.append(done / n))
    return {
        "killed": f"scheduler; with another one it went on at {first[0]:.2f}",
        "after_s": "0.6 of the tasks",
        "wall_s": time.perf_counter() - began,
        "left": kept.exists(),
        "sha256": digest(effects),
    }
