"""Processes of one run, started as `torchrun` starts them, and what each of them does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from perturbridge.errors import FitError
from perturbridge.latent import LatentModel
from perturbridge.latent.cells import _memory

from .conftest import QUICK, SMALL, DenseSource, small_screen

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    status: int
    said: dict
    err: str


def together(task: str, *arguments: object, size: int = 2) -> list[Ended]:
    """Run a task of this module in several processes that know of one another."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    code = f"from tests.latent._together import {task}; {task}(*{[str(a) for a in arguments]!r})"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    ended = []
    for process in running:
        out, err = process.communicate(timeout=300)
        ended.append(Ended(process.returncode, json.loads(out.splitlines()[-1]) if out.strip() else {}, err))
    return ended


def rank() -> int:
    return int(os.environ["RANK"])


def watched(screen):
    """The same screen on a source that remembers what was read."""
    chunk = screen.source.read_rows(0, screen.n_cells)
    dense = np.zeros(screen.source.shape, dtype=np.float32)
    dense[np.repeat(np.arange(screen.n_cells), np.diff(chunk.indptr)), chunk.indices] = chunk.data
    return replace(screen, source=DenseSource(dense))


def fit(screen, *, architecture=SMALL, penalties=(), progress=None, **changes):
    model = LatentModel(architecture=architecture, training=replace(QUICK, **changes), penalties=penalties)
    return model.fit(screen, progress=progress)


@dataclass(frozen=True)
class Planted:
    """A penalty that does what it likes in step 7: `"nan"` or `"sleep"` in one process, `"stop"` in all where the environment says so."""

    what: str
    where: int

    def build(self, *, n_bio, n_context_dims, design, source):
        return _Planted(self)

    def as_json(self):
        return {"name": "planted"}


class _Planted(nn.Module):
    def __init__(self, asked):
        super().__init__()
        self.asked, self.calls = asked, 0

    def forward(self, view):
        self.calls += 1
        if self.asked.what == "stop" and self.calls == 7 and "STOP" in os.environ:
            problem = "Stopped."
            raise FitError(problem, cure="Go on.")
        if rank() == self.asked.where and self.calls == 7:
            if self.asked.what == "sleep":
                time.sleep(8)
            return {"planted": view.z.sum() * float("nan")}
        return {"planted": view.z.sum() * 0}


def refused(screen, **settings):
    try:
        fit(screen, **settings)
    except FitError as error:
        return str(error)
    return "not refused"


def two(folder, store):
    """Fits of two processes, the last of which ends when process 0 is killed."""
    import perturbridge as pb

    folder, said, screen = Path(folder), {}, watched(small_screen())
    # Of so few cells the ranges are short, and would be read with what lies between them.
    gap, _memory.WIDEST_GAP = _memory.WIDEST_GAP, 0
    fit(screen, epochs=1, validation=0.0)
    said["read"] = list(screen.source.read)
    whole = fit(screen, epochs=1)
    said["whole"] = whole.history_
    if rank() == 0:
        whole.save(folder / "whole")
    two_more = replace(SMALL, n_latent_context=2, library="latent")
    both = fit(small_screen(), architecture=two_more, epochs=2).fitted_
    said |= {"means": both.context_z.tolist(), "library": both.module.library_prior.tolist()}
    said["findings"] = [finding.code for finding in both.findings]
    said["learned"] = fit(small_screen(), epochs=6).history_
    opened, on_disk = pb.read_screen(store, context="context"), {"stream": True, "block_rows": 16, "shuffle_rows": 64}
    said["streamed"] = fit(opened, epochs=6, **on_disk).history_
    seen = watched(opened)
    fit(seen, epochs=1, validation=0.0, **on_disk)
    said["stream_read"] = seen.source.read
    _memory.WIDEST_GAP = gap
    stopped = fit(screen, epochs=60, patience=2, learning_rate=0.1, schedule="constant", validation=0.3)
    said["stopped"] = stopped.history_
    said["nan"] = refused(screen, epochs=2, penalties=(Planted("nan", 1),))
    said["unlike"] = refused(screen, epochs=1, seed=rank())
    kept = {"epochs": 2, "penalties": (Planted("stop", -1),), "checkpoint_steps": 4}
    os.environ["STOP"] = "1"
    said["cut"] = refused(screen, **kept, checkpoint=folder / "cut.safetensors")
    del os.environ["STOP"]
    resumed, straight = fit(screen, **kept, checkpoint=folder / "cut.safetensors"), fit(screen, **kept)
    said["same"] = [
        torch.equal(value, straight.fitted_.module.state_dict()[name])
        for name, value in resumed.fitted_.module.state_dict().items()
    ]
    said["same"].append(resumed.history_ == straight.history_)
    said["crowded"] = refused(screen, epochs=1, batch_size=2)
    print(json.dumps(said), flush=True)

    def die(done, _total):
        if done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    message = refused(screen, epochs=1, checkpoint=folder / "run.safetensors", checkpoint_steps=1, progress=die)
    print(json.dumps(said | {"killed": message}), flush=True)


def three(file):
    """Goes on where two processes were killed, one of the three without a share; then process 2 hangs."""
    from datetime import timedelta

    from torch import distributed

    distributed.init_process_group("gloo", timeout=timedelta(seconds=4))
    # The first process reads the file for all, who may not see its folder.
    own = Path(file) if rank() == 0 else Path(file).with_name("not_here.safetensors")
    resumed = fit(watched(small_screen()), epochs=1, checkpoint=own, checkpoint_steps=1)
    said = {"resumed": resumed.history_}
    if rank() == 0:
        resumed.save(Path(file).parent / "three")
    started = time.monotonic()
    said["hung"] = refused(small_screen(), epochs=2, penalties=(Planted("sleep", 2),)) if rank() != 2 else ""
    said["seconds"] = time.monotonic() - started
    print(json.dumps(said), flush=True)
    if rank() == 2:
        refused(small_screen(), epochs=2, penalties=(Planted("sleep", 2),))
