"""The Stan programs that this process has started, killed by the directory they work in."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def kill_programs(directory: Path) -> None:
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
