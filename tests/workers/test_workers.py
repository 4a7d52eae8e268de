"""Laws that hold for every kind of workers."""

from __future__ import annotations

import socket

import pytest
from tests.workers import _tasks

from perturbridge.errors import DataError
from perturbridge.workers import Workers, as_workers
from perturbridge.workers import _call as call_module


def test_results_come_in_the_order_of_the_tasks(workers: Workers) -> None:
    assert workers.map(_tasks.plus, list(range(23)), shared=100) == list(range(100, 123))


def test_a_task_may_be_large_all_by_itself(workers: Workers) -> None:
    """Warnings are errors here: Dask has one for more than ten megabytes."""
    assert workers.map(_tasks.size_of, [b"x" * 11_000_000, b""]) == [11_000_000, 0]


def test_no_tasks_give_no_results(workers: Workers) -> None:
    assert workers.map(_tasks.plus, [], shared=1) == []


def test_a_fold_merges_every_result_once(workers: Workers) -> None:
    assert workers.fold(_tasks.plus, list(range(50)), merge=_tasks.add, shared=1) == sum(range(50)) + 50


def test_a_fold_of_one_task_is_its_result(workers: Workers) -> None:
    assert workers.fold(_tasks.plus, [7], merge=_tasks.add) == 7


def test_progress_rises_to_the_number_of_tasks(workers: Workers) -> None:
    for run in (
        lambda told: workers.map(_tasks.plus, list(range(9)), progress=told),
        lambda told: workers.fold(_tasks.plus, list(range(9)), merge=_tasks.add, progress=told),
    ):
        seen: list[tuple[int, int]] = []
        run(lambda done, total, seen=seen: seen.append((done, total)))
        assert seen == sorted(seen)
        assert seen[-1] == (9, 9)


def test_an_error_of_ours_arrives_with_its_cure(workers: Workers) -> None:
    with pytest.raises(DataError, match="Task 3 holds 1 broken value") as caught:
        workers.map(_tasks.refuse, list(range(6)))
    assert caught.value.cure == "Mend it."


def test_any_other_error_arrives_as_it_is(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        workers.fold(_tasks.fail, list(range(6)), merge=_tasks.add)


def test_trouble_with_a_file_in_a_task_is_not_trouble_with_the_cluster(workers: Workers) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        workers.map(_tasks.broken_disk, [1, 2])


@pytest.mark.parametrize("workers", ["threads", "processes", "dask"], indirect=True)
def test_an_error_says_on_which_machine_it_arose(workers: Workers) -> None:
    with pytest.raises(DataError, match=f"on {socket.gethostname()}"):
        workers.map(_tasks.refuse, [3])


@pytest.mark.parametrize("workers", ["threads", "processes", "dask"], indirect=True)
def test_a_file_that_a_worker_does_not_see_is_explained(workers: Workers) -> None:
    with pytest.raises(DataError, match="Workers read files themselves"):
        workers.map(_tasks.missing_file, [1])


def test_a_worker_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, client: object) -> None:
    monkeypatch.setattr(call_module, "version", lambda _: "9.9.9")
    with pytest.raises(DataError, match=r"has perturbridge .*, this process 9\.9\.9"):
        as_workers(client).map(_tasks.plus, [1])


def test_the_description_says_how_many_there_are(workers: Workers) -> None:
    assert workers.n == (1 if workers.description == "this process" else 2)
    assert workers.description == "this process" or "2" in workers.description


def test_workers_are_workers_already(workers: Workers) -> None:
    assert as_workers(workers) is workers


@pytest.mark.parametrize("wrong", ["tcp://127.0.0.1:8786", 4, object()])
def test_what_is_no_client_is_refused(wrong: object) -> None:
    with pytest.raises(DataError, match="client is of type"):
        as_workers(wrong)
