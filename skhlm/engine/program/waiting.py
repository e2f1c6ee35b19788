"""Waiting for a run of the program, and its end when nobody waits for the fit.

Python cannot end a thread from outside, so whoever is in one asks from time to time whether its
result is still wanted. Killing the program ends the threads below, which are cmdstanpy's.
"""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from skhlm.exceptions import SamplingError

_OFTEN = 0.2  # seconds
_POOL = ThreadPoolExecutor.__module__
_BEFORE_THREADS_ARE_JOINED = "_register_atexit"  # of threading, as concurrent.futures uses it

_of_daemons: set[Path] = set()  # directories of runs that daemon threads wait for
_exiting = threading.Event()
_parent = os.getppid()


def wait_for(task: Callable[[], Any], directory: Path) -> Any:
    """Run the task in a thread, so that an interrupt reaches us while the program is at work.

    cmdstanpy alone would let every chain run to its end first.

    Raises
    ------
    SamplingError
        When nobody waits for the result any more.
    """
    futures = _asyncio_futures()
    with ThreadPoolExecutor(max_workers=1) as pool, _ended_at_exit(directory):
        future = pool.submit(task)
        try:
            while not wait([future], timeout=_OFTEN).done:
                _check_wanted(futures)
        except BaseException:
            _end_run(directory)
            raise
        return future.result()


def _end_run(directory: Path) -> None:
    """End the program of a run; one that has not started yet finds no place for its output."""
    _kill_programs(directory)
    shutil.rmtree(directory, ignore_errors=True)


def _kill_programs(directory: Path) -> None:
    """Kill the children of this process that work in a directory, one that was stopped too.

    The program also ends by itself once its directory is gone, but not while it is stopped. Only
    Linux tells which processes are ours; elsewhere nothing is done here.
    """
    for pid in _children():
        with suppress(OSError):  # it has ended meanwhile
            if os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def _children() -> Iterator[int]:
    """Processes that a thread of this process has started."""
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, task.read_text().split())


def _check_wanted(futures: list[asyncio.Future[Any]]) -> None:
    """Raise when the result can reach nobody."""
    if multiprocessing.parent_process() is not None and os.getppid() != _parent:
        raise SamplingError("The fit was stopped: the process whose worker this is has died.")
    if futures and all(future.cancelled() for future in futures):
        raise SamplingError("The fit was stopped: the asyncio task that waits for it is cancelled.")


def _asyncio_futures() -> list[asyncio.Future[Any]]:
    """What tasks of asyncio await while this thread works: `asyncio.to_thread`, `run_in_executor`.

    A call that runs cannot be cancelled, and asyncio does not tell it that its task was. But the
    call's future is on this thread's stack, and has the function that hands its result to asyncio.
    """
    futures: list[asyncio.Future[Any]] = []
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == _POOL:
            call = getattr(frame.f_locals.get("self"), "future", None)
            futures += filter(asyncio.isfuture, _held_by_callbacks(call))
        frame = frame.f_back
    return futures


def _held_by_callbacks(call: Future[Any] | None) -> Iterator[Any]:
    """Variables that functions called back with a result have around them."""
    for callback in getattr(call, "_done_callbacks", []):
        if inspect.isfunction(callback):
            yield from inspect.getclosurevars(callback).nonlocals.values()


@contextmanager
def _ended_at_exit(directory: Path) -> Iterator[None]:
    """End the run when Python exits, if a daemon thread waits for it: Python would not.

    Other threads Python waits for, whatever they do. The daemon ends too, and says nothing.
    """
    daemon = threading.current_thread().daemon
    if daemon:
        _of_daemons.add(directory)
    try:
        yield
    except Exception as error:
        if daemon and _exiting.is_set():
            raise SystemExit from error
        raise
    finally:
        _of_daemons.discard(directory)


def _end_runs_of_daemons() -> None:
    _exiting.set()
    for directory in list(_of_daemons):
        _end_run(directory)


def _remember_parent() -> None:
    global _parent
    _parent = os.getppid()


# Python joins every thread of an executor, cmdstanpy's too, before what atexit runs.
getattr(threading, _BEFORE_THREADS_ARE_JOINED)(_end_runs_of_daemons)
os.register_at_fork(after_in_child=_remember_parent)
