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
        usual = _struck(screen, folder, killed="")["wall_s"]
        moments = usual * np.sort(np.random.default_rng(0).uniform(0.02, 0.9, N_KILLS[quick]))
        rows = [
            _struck(screen, folder, killed="worker", which=i % 2, blows=((float(after), signal.SIGKILL),))
            for i, after in enumerate(moments)
        ]
        stalled, after = SECONDS_STALLED[quick], 0.3 * usual
        blows = ((after, signal.SIGSTOP), (after + stalled, signal.SIGCONT))
        rows.append(_struck(screen, folder, killed=f"no one; a worker stopped for {stalled:.0f} s", blows=blows))
        rows += [_kill_client(path, folder), _kill_scheduler(screen, folder)]
    for row in rows:
        row["equal"] = row.pop("sha256") == whole
    return rows


def _struck(screen, folder: Path, *, killed: str, which: int = 0, blows: tuple = ()) -> dict:
    """Sum on two workers, one of which gets signals some seconds after the beginning."""
    from perturbridge.screens import pseudobulk

    kept = folder / "kept"
    with local(2) as client:
        pid = list(client.run(os.getpid).values())[which]
        timers = [threading.Timer(after, os.kill, (pid, blow)) for after, blow in blows]
        began = time.perf_counter()
        for timer in timers:
            timer.start()
        effects = pseudobulk(screen, client=client, checkpoint=kept)
        seconds = time.perf_counter() - began
        assert not any(timer.is_alive() for timer in timers[:1]), "it ended before the worker was struck"
        for timer in timers:
            timer.join()
    said = {"killed": killed, "after_s": blows[0][0] if blows else None, "wall_s": seconds, "left": kept.exists()}
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
