"""Why a run of the Stan program failed, in one sentence with the remedy."""

from __future__ import annotations

import errno
import re
import shutil
import signal
from pathlib import Path

from skhlm.exceptions import SamplingError

_NUMERICAL, _CANNOT_WRITE = 70, 74  # exit codes of the program; all are in stan/main.cpp
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LITTLE = 1 << 16  # bytes left on a disk that has refused to take more


def explain_failure(error: Exception, directory: Path) -> SamplingError:
    """The error to raise, from what cmdstanpy says and what the program left behind."""
    return SamplingError(f"The Stan program failed: {_cause(error, directory)}.")


def is_numerical(error: Exception) -> bool:
    """Whether the program found no way, for which another way may be tried."""
    return set(_exit_codes(error)) == {_NUMERICAL}


def _cause(error: Exception, directory: Path) -> str:
    if not directory.is_dir():
        return f"its directory {directory} was removed while it ran. Fit again"
    codes = _exit_codes(error)
    if _CANNOT_WRITE in codes or _is_full(error, directory):
        return (
            f"the disk of the temporary directory {directory.parent} is full, or may not take "
            "files as large. Free some space, or name another directory in the environment "
            "variable TMPDIR"
        )
    if min(codes, default=0) < 0:
        return _describe_signal(-min(codes))
    lines = _console_lines(directory) if any(codes) else []  # else it is cmdstanpy that failed
    lines = lines or str(error).splitlines()
    return lines[-1].removeprefix("Error: ").rstrip(".")


def _is_full(error: Exception, directory: Path) -> bool:
    """Whether nothing more could be written; then the console file may be empty too."""
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return True
    try:
        return shutil.disk_usage(directory).free < _LITTLE
    except OSError:  # the directory has gone meanwhile
        return False


def _exit_codes(error: Exception) -> list[int]:
    """Exit codes of the processes, which cmdstanpy tells in its message only."""
    found = re.search(r"retcodes=\[([-\d, ]*)\]", str(error))
    return [int(code) for code in re.findall(r"-?\d+", found.group(1))] if found else []


def _describe_signal(number: int) -> str:
    """A signal by name, with what usually sends it."""
    name = {member.value: member.name for member in signal.Signals}.get(number, "unknown")
    if number == signal.SIGKILL:
        return (
            f"it was killed (signal {number}, {name}), probably because the machine ran out of "
            "memory. Fit on fewer rows, or free some memory"
        )
    return f"it was ended by signal {number} ({name})"


def _console_lines(directory: Path) -> list[str]:
    """What the program printed, empty lines left out."""
    consoles = sorted(directory.glob("*stdout*.txt"))
    text = "\n".join(console.read_text(errors="replace") for console in consoles)
    return [line.strip() for line in text.splitlines() if line.strip()]
