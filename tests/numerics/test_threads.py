"""Threads keep their order, and are no more than there are processors."""

from __future__ import annotations

import threading
import time

import pytest
from joblib import Parallel, delayed, parallel_config

from skhlm.numerics.threads import in_threads, n_workers


def test_threads_keep_the_order_and_are_as_many_as_asked_for() -> None:
    meet = threading.Barrier(2)  # which one thread would never leave

    def late_first(i: int) -> int:
        meet.wait(timeout=60)
        time.sleep(0.01 * (1 - i))
        return -i

    assert in_threads(late_first, range(2), 2) == [0, -1]


def test_one_thread_is_the_callers() -> None:
    found = in_threads(lambda _: threading.current_thread(), range(3), 1)
    assert set(found) == {threading.current_thread()}


def test_errors_reach_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda i: 1 // i, range(3), 2)


@pytest.mark.parametrize(
    ("n_jobs", "expected"), [(None, 3), (1, 1), (2, 2), (9, 3), (-1, 3), (-2, 2)]
)
def test_workers_are_no_more_than_processors(monkeypatch, n_jobs, expected) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    assert n_workers(n_jobs) == expected
    with parallel_config(n_jobs=2):
        assert n_workers() == 2
    assert Parallel(n_jobs=2, backend="threading")(delayed(n_workers)() for _ in range(2)) == [1, 1]
