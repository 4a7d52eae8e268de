"""Workers and schedulers that die; each test has a cluster of its own, so that none meets what another has killed."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import dask
import numpy as np
import pytest
from distributed import Client
from tests._spread import small_cluster, start_dask
from tests.workers import _tasks

from perturbridge.errors import DataError
from perturbridge.workers import _dask_wait, _open, as_workers, open_workers

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

N = 12
UNLUCKY = np.random.default_rng(9).choice(N, size=3, replace=False).tolist()


@pytest.mark.parametrize("unlucky", UNLUCKY)
@pytest.mark.parametrize("run", ["map", "fold"])
def test_a_worker_that_is_killed_changes_no_result(tmp_path: Path, run: str, unlucky: int) -> None:
    with small_cluster() as client:
        workers, shared = as_workers(client), (str(tmp_path), unlucky)
        if run == "map":
            assert workers.map(_tasks.die_once, list(range(N)), shared=shared) == [i * i for i in range(N)]
        else:
            total = workers.fold(_tasks.die_once, list(range(N)), merge=_tasks.add, shared=shared)
            assert total == sum(i * i for i in range(N))
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize("number", [1, 2])
def test_a_worker_that_dies_while_it_gets_what_is_shared_holds_nobody_up(tmp_path: Path, number: int) -> None:
    """Dask's own way to hand things round waits for ever for the second one."""
    shared = _tasks.DiesOnArrival(str(tmp_path), number, os.getpid())
    with ThreadPoolExecutor(1) as aside, small_cluster() as client:
        client.wait_for_workers(2, timeout=60)
        work = aside.submit(as_workers(client).map, _tasks.size_of, [b"a", b"bb", b"ccc"], shared=shared)
        assert work.result(timeout=60) == [1, 2, 3]
    assert len(list(tmp_path.glob("arrived-*"))) >= number


@pytest.mark.parametrize("run", ["map", "fold"])
def test_what_is_shared_is_sent_again_when_all_who_held_it_are_gone(run: str) -> None:
    with small_cluster(1) as client:
        workers, gone = as_workers(client), []

        def told(done: int, _: int) -> None:
            if done == 3 and not gone:
                gone.append(done)
                client.cluster.scale(0)
                client.cluster.scale(1)

        tasks = list(range(30))
        if run == "map":
            assert workers.map(_tasks.slow, tasks, shared=0.05, progress=told) == [i * i for i in tasks]
        else:
            total = workers.fold(_tasks.slow, tasks, merge=_tasks.add, shared=0.05, progress=told)
            assert total == sum(i * i for i in tasks)
        assert gone


def test_a_task_that_kills_its_workers_is_named_and_not_tried_for_ever() -> None:
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        small_cluster(1) as client,
        pytest.raises(DataError, match="its worker died each time") as caught,
    ):
        as_workers(client).map(_tasks.die, [1])
    assert "--memory" in caught.value.cure


def test_nobody_is_waited_for_when_all_workers_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dask_wait, "SECONDS_WITHOUT_WORKERS", 0.5)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "4s"}),
        small_cluster(1) as client,
        pytest.raises(DataError, match=r"All workers of the Dask scheduler at .* are gone|has had no workers"),
    ):
        as_workers(client).map(_tasks.slow, list(range(100)), shared=0.05, progress=lambda *_: client.cluster.scale(0))


def test_an_executor_whose_worker_dies_says_what_to_do() -> None:
    # One of its own, since it is broken afterwards.
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor,
        pytest.raises(DataError, match="A worker of ProcessPoolExecutor died"),
    ):
        as_workers(executor).map(_tasks.die, [1, 2])


def test_a_scheduler_that_is_lost_ends_the_work_with_a_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_open, "SECONDS_TO_CONNECT", 6)
    file = tmp_path / "scheduler.json"
    started = [
        start_dask("scheduler", "--scheduler-file", str(file), "--port", "0", "--no-dashboard"),
        start_dask(
            "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--death-timeout", "10"
        ),
    ]
    try:
        _wait_for(file, started)
        seen: list[int] = []

        def told(done: int, _: int) -> None:
            seen.append(done)
            started[0].send_signal(signal.SIGKILL)

        with (
            open_workers(str(file)) as workers,
            pytest.raises(DataError, match=r"scheduler at tcp://.* cannot be reached"),
        ):
            workers.map(_tasks.slow, list(range(200)), shared=0.05, progress=told)
        assert 0 < len(seen) < 200
    finally:
        for process in started:
            process.kill()
            process.wait()


def _wait_for(file: Path, started: list[subprocess.Popen[bytes]]) -> None:
    for _ in range(300):
        if file.exists():
            with Client(scheduler_file=str(file), timeout=30) as client:
                client.wait_for_workers(1, timeout=60)
            return
        assert all(process.poll() is None for process in started), "the cluster did not start"
        time.sleep(0.1)
    pytest.fail("no scheduler file")
