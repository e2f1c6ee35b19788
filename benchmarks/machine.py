"""Where and when a result was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.plain import ROOT
from skhlm.engine.program.executable import PROGRAM


def describe_machine() -> dict[str, str]:
    """CPU, cores, memory, system, versions, commit and date."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "CPU": _field("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": str(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        ),
        "memory": _memory(),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "Stan": _stan_version(),
    }


def _stan_version() -> str:
    """What the shipped program says of itself."""
    answer = subprocess.run([PROGRAM, "info"], capture_output=True, text=True, check=True)
    info = dict(line.split(" = ") for line in answer.stdout.splitlines() if " = " in line)
    return ".".join(info[f"stan_version_{part}"] for part in ("major", "minor", "patch"))


def _commit() -> str:
    """Short hash of the commit, marked where files differ from it."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def _memory() -> str:
    """Physical memory, where the system tells."""
    total = _field("/proc/meminfo", "MemTotal")
    return "unknown" if total is None else f"{int(total.split()[0]) / 2**20:.0f} GiB"


def _field(path: str, name: str) -> str | None:
    """First value of a "name : value" file, where the system has it."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith(name)),
        None,
    )
