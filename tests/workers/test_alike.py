"""Numbers do not depend on where, by how many workers and with how many threads they were computed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from perturbridge.errors import DataError
from perturbridge.workers import map_alike


def threads_and_process(task, shared):
    # Long enough that one task ends while another runs.
    _ = shared @ shared
    return max(library["num_threads"] for library in threadpool_info()), os.getpid()


def refuses(task, shared):
    if task == 2:
        problem = "Task 2 holds 1 broken value."
        raise DataError(problem, cure="Mend it.")
    return task


def test_every_task_has_one_thread_and_the_setting_comes_back(elsewhere):
    with threadpool_limits(limits=2):
        before = threadpool_info()
        found = map_alike(elsewhere, threads_and_process, range(12), shared=np.ones((60, 60)))
        assert threadpool_info() == before
    assert {n for n, _ in found} == {1}
    assert ({pid for _, pid in found} == {os.getpid()}) == isinstance(elsewhere, ThreadPoolExecutor)


def test_this_process_has_one_thread_too():
    with threadpool_limits(limits=2):
        (found,) = map_alike(None, threads_and_process, [0], shared=np.ones((3, 3)))
        assert max(library["num_threads"] for library in threadpool_info()) == 2
    assert found == (1, os.getpid())


def test_an_error_of_ours_arrives_with_its_cure(elsewhere):
    with pytest.raises(DataError, match="Task 2 holds 1 broken value") as caught:
        map_alike(elsewhere, refuses, range(4))
    assert caught.value.cure == "Mend it."


@pytest.mark.parametrize("wrong", ["local:2", 4, object()])
def test_what_is_no_client_is_refused(wrong):
    with pytest.raises(DataError, match="client is of type"):
        map_alike(wrong, refuses, [0])
