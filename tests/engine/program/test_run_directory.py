"""Directories of runs: what a killed process leaves is removed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from skhlm.engine.program import run_directory as module
from skhlm.engine.program.run_directory import run_directory


@pytest.fixture
def abandoned(temporary):
    """What a killed process leaves: a directory of ours whose lock is free."""
    with run_directory() as path:
        mark = (path / "lock").read_bytes()
    assert path.parent == temporary
    path.mkdir()
    (path / "lock").write_bytes(mark)
    (path / "data.json").write_text("{}")
    return path


def sweep():
    """What the next run does before all else."""
    with run_directory():
        pass


def test_a_process_that_is_killed_leaves_what_the_next_run_removes(temporary):
    """Both the run's directory and the one that cmdstanpy keeps as long as the process lasts."""
    script = """
import numpy as np
from skhlm import HLMRegressor
X = np.arange(20.0)[:, None]
HLMRegressor(random_state=0, iter_sampling=10_000_000).fit(X, X[:, 0] % 7)
"""
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    while not list(temporary.glob("skhlm-*/*.csv")):
        time.sleep(0.05)
    left = sorted(temporary.iterdir())
    assert [path.name.split("-")[0] for path in left] == ["cmdstanpy", "skhlm"]
    sweep()
    assert sorted(temporary.iterdir()) == left  # somebody works there
    process.kill()
    process.wait()
    sweep()
    assert not list(temporary.iterdir())


def test_an_abandoned_directory_is_removed(abandoned):
    sweep()
    assert not abandoned.exists()


def test_directories_of_other_users_stay(abandoned, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    sweep()
    assert (abandoned / "data.json").exists()


def test_directories_of_other_machines_stay(abandoned, monkeypatch, tmp_path_factory):
    """Those that share the disk may not see each other's locks."""
    boot = tmp_path_factory.mktemp("proc") / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(module, "_BOOT", boot)
    sweep()
    assert (abandoned / "data.json").exists()


def test_what_only_has_the_name_stays(temporary, abandoned):
    for name in ("notes", "lock", "text", "fifo", "directory"):
        (temporary / f"skhlm-{name}").mkdir()
    (temporary / "skhlm-lock" / "lock").touch()
    (temporary / "skhlm-text" / "lock").write_bytes((abandoned / "lock").read_bytes() + b"more")
    os.mkfifo(temporary / "skhlm-fifo" / "lock")
    (temporary / "skhlm-directory" / "lock").mkdir()
    (temporary / "skhlm-file").write_text("not a directory")
    elsewhere = abandoned.rename(temporary / "elsewhere")
    (temporary / "skhlm-link").symlink_to(elsewhere)
    before = sorted(temporary.rglob("*"))
    sweep()
    assert sorted(temporary.rglob("*")) == before
