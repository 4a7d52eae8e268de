"""From a word on the command line to workers."""

from __future__ import annotations

import sys

import pytest
from tests.workers import _tasks

from perturbridge.errors import DataError
from perturbridge.workers import open_workers


def test_without_a_place_the_work_is_done_here() -> None:
    with open_workers(None) as workers:
        assert workers.description == "this process"


def test_local_starts_as_many_workers_as_it_says_and_shows_where_to_watch() -> None:
    with open_workers("local:2") as workers:
        assert workers.n == 2
        assert "http://" in workers.description
        assert workers.map(_tasks.plus, [1, 2], shared=1) == [2, 3]
        assert workers.map(_tasks.variable, ["MALLOC_MMAP_THRESHOLD_"]) == [str(2**25)]


def test_a_scheduler_by_its_address(client) -> None:
    with open_workers(client.scheduler.address) as workers:
        assert workers.map(_tasks.plus, [1, 2], shared=1) == [2, 3]
    # Someone else's workers stay.
    assert client.nthreads()


@pytest.mark.parametrize("where", ["here", "local:0", "local:many", "local:-1", "8786", ""])
def test_what_is_no_place_is_refused(where: str) -> None:
    with pytest.raises(DataError, match=r"no place for workers|how many workers"), open_workers(where):
        pass


def test_a_scheduler_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(DataError, match="no scheduler file"), open_workers(str(tmp_path / "s.json")):
        pass


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perturbridge.workers._open.SECONDS_TO_CONNECT", 1)
    with pytest.raises(DataError, match="No Dask scheduler answers"), open_workers("tcp://127.0.0.1:1"):
        pass


def test_without_dask_the_cure_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DataError, match=r"pip install 'perturbridge\[distributed\]'"), open_workers("local:1"):
        pass
