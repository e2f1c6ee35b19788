"""Fits that nobody waits for any more end, program and all."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

FIT = """
import asyncio, multiprocessing, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from joblib import Parallel, delayed
import numpy as np
from skhlm import HLMRegressor

def fit(*_):
    X = np.arange(20.0)[:, None]
    HLMRegressor(random_state=0, iter_sampling=100_000_000).fit(X, X[:, 0] % 7)

def wait_for_programs(count):
    while len(list(Path(TEMPORARY).glob("skhlm-*/*[0-9]_1.csv"))) < count:
        time.sleep(0.05)
"""
AT_EXIT = """
threading.Thread(target=fit, daemon=True).start()
wait_for_programs(1)
"""
CANCELLED = """
async def main():
    task = asyncio.create_task(asyncio.to_thread(fit))
    await asyncio.to_thread(wait_for_programs, 1)
    task.cancel()

asyncio.run(main())
"""
WORKERS = {
    "loky": "Parallel(2, backend='loky')(delayed(fit)(i) for i in range(2))",
    "fork": "multiprocessing.get_context('fork').Pool(2).map(fit, range(2))",
}


@pytest.fixture
def said(tmp_path_factory):
    """A file with what was said on standard error."""
    return tmp_path_factory.mktemp("said") / "stderr"


@pytest.fixture
def start(tmp_path, said):
    """Starts Python with a script, all of whose temporary files are in tmp_path."""
    started = []

    def start(script):
        environment = {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", f"TEMPORARY = {str(tmp_path)!r}\n{FIT}\n{script}"]
        with said.open("w") as stderr:
            started.append(subprocess.Popen(command, env=os.environ | environment, stderr=stderr))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def programs(directory):
    """Stan programs that work below a directory."""
    found = [process.info for process in psutil.process_iter(["name", "cmdline"])]
    return [p for p in found if p["name"] == "hlm" and str(directory) in str(p["cmdline"])]


def wait_until(condition, seconds=60):
    """The programs would run for hours: how long this takes is a matter of the machine's load."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("script", [AT_EXIT, CANCELLED], ids=["exit", "cancelled"])
def test_python_exits(start, said, tmp_path, script):
    """Neither a daemon thread nor a task that is cancelled keeps it, and nothing is left behind."""
    assert start(script).wait(timeout=120) == 0
    assert said.read_text() == ""
    wait_until(lambda: not programs(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("backend", WORKERS)
def test_a_worker_whose_parent_was_killed(start, tmp_path, backend):
    process = start(WORKERS[backend])
    wait_until(lambda: len(list(tmp_path.glob("skhlm-*/*[0-9]_1.csv"))) == 2)
    process.kill()
    wait_until(lambda: not programs(tmp_path))
    wait_until(lambda: not list(tmp_path.glob("skhlm-*")))
