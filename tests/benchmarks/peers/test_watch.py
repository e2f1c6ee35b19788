"""Processes that take time, memory and processors, and say words."""

from __future__ import annotations

import sys
import time

import psutil
import pytest

from benchmarks.peers.watch import Limits, Watched

AMPLE = Limits(60, 2**34)
SPIN = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"


def watch(script: str, folder, limits: Limits = AMPLE) -> Watched:
    process = Watched([sys.executable, "-c", script], folder, limits)
    process.listen(("fitted", "effects"))
    return process


def test_words_are_marked_with_what_was_taken(tmp_path):
    script = f"""
import subprocess, sys
print("something else", flush=True)
x = bytearray(200 * 2**20)
{SPIN}subprocess.run([sys.executable, "-c", {SPIN!r}])
print("fitted", flush=True)
time.sleep(0.3)
print("effects", flush=True)
"""
    process = watch(script, tmp_path)
    fitted, effects = process.marks["fitted"], process.marks["effects"]
    assert process.failure == ""
    assert fitted.seconds > 1  # its own half second and its child's
    assert 1 <= fitted.cpu_seconds < 1 + fitted.seconds
    assert 200 * 2**20 < fitted.n_bytes < 400 * 2**20
    assert effects.seconds - fitted.seconds > 0.25
    assert effects.cpu_seconds - fitted.cpu_seconds < 0.2


def test_memory_of_children_counts(tmp_path):
    child = "import time; x = bytearray(300 * 2**20); time.sleep(1)"
    script = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {child!r}])
print("fitted", flush=True)
"""
    assert watch(script, tmp_path).marks["fitted"].n_bytes > 300 * 2**20


@pytest.mark.parametrize(
    ("script", "limits", "failure"),
    [
        ("import time; time.sleep(60)", Limits(1, 2**34), "> 1 s"),
        ("x = bytearray(2**31); import time; time.sleep(60)", Limits(60, 2**30), "> 1 GiB"),
        ("raise SystemExit(3)", AMPLE, "ended with 3"),
    ],
)
def test_failures_are_told(script, limits, failure, tmp_path):
    start = time.perf_counter()
    process = watch(script, tmp_path, limits)
    assert process.failure == failure
    assert process.marks == {}
    assert time.perf_counter() - start < 30


def test_children_end_with_it(tmp_path):
    script = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""
    told = tmp_path / "pid"
    process = Watched([sys.executable, "-c", script, str(told)], tmp_path, Limits(2, 2**34))
    process.listen(())
    pid = int(told.read_text())
    deadline = time.perf_counter() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.perf_counter() < deadline
        time.sleep(0.05)


def test_it_ends_with_who_listens(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Watched, "_mark", interrupt)
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        watch("import time; print('fitted', flush=True); time.sleep(60)", tmp_path)
    assert time.perf_counter() - start < 30
