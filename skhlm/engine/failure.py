"""Why a run of the Stan program failed, in one sentence with the remedy."""

from __future__ import annotations

import errno
import re
import shutil
import signal
from pathlib import Path

from skhlm.exceptions import SamplingError

_NO_SPACE = (
    "the disk of the temporary directory {directory} is full. Free some space, or name another "
    "directory in the environment variable TMPDIR"
)
_KILLED = "it was killed by signal {number} ({name}), {cause}"
_LITTLE = 1 << 20  # bytes: what is left on a disk that has just refused a write


def explain_failure(error: Exception, directory: Path) -> SamplingError:
    """The error to raise, from what cmdstanpy says and what the program left behind."""
    return SamplingError(f"The Stan program failed: {_cause(error, directory)}.")


def _cause(error: Exception, directory: Path) -> str:
    if not directory.is_dir():
        return f"its directory {directory} was removed while it ran. Fit again"
    if _is_full(error, directory):
        return _NO_SPACE.format(directory=directory.parent)
    codes = [int(code) for code in _return_codes(error)]
    killers = [-code for code in codes if code < 0]
    if killers:
        return _describe_signal(killers[0])
    lines = _console_lines(directory)
    return (lines[-1] if lines else str(error).strip().splitlines()[0]).rstrip(".")


def _is_full(error: Exception, directory: Path) -> bool:
    """Whether the run ended because nothing more could be written."""
    told = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return told or shutil.disk_usage(directory).free < _LITTLE


def _return_codes(error: Exception) -> list[str]:
    """Exit codes of the processes, which cmdstanpy tells in its message only."""
    found = re.search(r"retcodes=\[([-\d, ]*)\]", str(error))
    return re.findall(r"-?\d+", found.group(1)) if found else []


def _describe_signal(number: int) -> str:
    """A signal by name, with what usually sends it."""
    out_of_memory = "probably because the machine ran out of memory: fit on fewer rows or chains"
    cause = out_of_memory if number == signal.SIGKILL else "which it did not survive"
    names = {member.value: member.name for member in signal.Signals}
    return _KILLED.format(number=number, name=names.get(number, "unknown"), cause=cause)


def _console_lines(directory: Path) -> list[str]:
    """What the program printed, empty lines left out."""
    consoles = sorted(directory.glob("*stdout*.txt"))
    text = "\n".join(console.read_text(errors="replace") for console in consoles)
    return [line.strip() for line in text.splitlines() if line.strip()]
