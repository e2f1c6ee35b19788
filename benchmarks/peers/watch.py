"""A process watched from outside: time, processors and memory up to words that it says."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

INTERVAL = 0.1  # seconds between looks at memory
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


class Mark(NamedTuple):
    """Since the start: wall seconds, CPU seconds of all, largest sum of their resident memory."""

    seconds: float
    cpu_seconds: float
    n_bytes: int


@dataclass(frozen=True)
class Limits:
    """What a process and its children may take before they are ended."""

    seconds: float
    n_bytes: int


class Watched:
    """A process and its children; ``marks`` are what it had taken at each of its words."""

    def __init__(self, command: Sequence[str], folder: Path, limits: Limits) -> None:
        self.marks: dict[str, Mark] = {}
        self.failure = ""  # why it was ended, or how it ended by itself
        self._limits, self._peak, self._over = limits, 0, threading.Event()
        self._start = time.perf_counter()
        with (folder / "stderr").open("w") as errors:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=Path(__file__).resolve().parents[2],
                env=_environment(folder),
                start_new_session=True,
            )
        self._told = psutil.Process(self._process.pid)

    def listen(self, words: Sequence[str]) -> None:
        """Until it ends; lines that are one of these words are marked."""
        looking = threading.Thread(target=self._look)
        looking.start()
        with self._process:
            try:
                for line in self._process.stdout or ():
                    if line.strip() in words:
                        self.marks[line.strip()] = self._mark()
                self._process.wait()
            finally:  # also where the one who listens is ended
                self._over.set()
                looking.join()
                self._end()
        if self._process.returncode and not self.failure:
            self.failure = f"ended with {self._process.returncode}"

    def _look(self) -> None:
        """Memory every now and then; the process is ended where it takes too much."""
        while not self._over.wait(INTERVAL):
            self._peak = max(self._peak, sum(_resident(one) for one in self._all()))
            if time.perf_counter() - self._start > self._limits.seconds:
                self.failure = f"> {self._limits.seconds:.0f} s"
            elif self._peak > self._limits.n_bytes:
                self.failure = f"> {self._limits.n_bytes / 2**30:.0f} GiB"
            if self.failure:
                self._end()
                return

    def _mark(self) -> Mark:
        """What it has taken up to now."""
        seconds = time.perf_counter() - self._start
        peak = max(self._peak, sum(_resident(one) for one in self._all()))
        return Mark(seconds, sum(_cpu_seconds(one) for one in self._all()), peak)

    def _all(self) -> list[psutil.Process]:
        """The process and what it started, if there still."""
        with contextlib.suppress(*_GONE):
            return [self._told, *self._told.children(recursive=True)]
        return []

    def _end(self) -> None:
        """It and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _environment(folder: Path) -> Mapping[str, str]:
    """As users have it, with bytecode; but nothing was there of what pytensor compiles."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTENSOR_FLAGS": f"base_compiledir={folder / 'compiled'}"}


def _resident(process: psutil.Process) -> int:
    """Bytes, pages that are shared with others included."""
    with contextlib.suppress(*_GONE):
        return int(process.memory_info().rss)
    return 0


def _cpu_seconds(process: psutil.Process) -> float:
    """User and system time, of children too that have ended."""
    with contextlib.suppress(*_GONE):
        return float(sum(process.cpu_times()[:4]))
    return 0.0
