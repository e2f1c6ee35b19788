"""The compiled Stan program inside the package: where it is, and why it does not run or fails."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from traceback import walk_tb
from urllib.parse import urlsplit
from urllib.request import url2pathname

from skhlm.exceptions import NumericalError, ProgramError, SamplingError

PROGRAM = Path(__file__).parent / "bin" / "hlm"
_NUMERICAL, _CANNOT_WRITE = 70, 74  # exit codes of the program; all are in stan/main.cpp
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LITTLE = 1 << 16  # bytes left on a disk that has refused to take more
_SOURCE = PROGRAM.parents[4]  # of a checkout: what holds the package, and `stan` beside it


def find_program(run_directory: Path, environment: Mapping[str, str]) -> Path:
    """Path of a program that runs, checked by running it once in a copy of the environment.

    Some installers and archives drop the execute bit, and the package may lie where nothing may be
    written or executed; the program is then copied, with its library, beside the data of this run.

    Raises
    ------
    ProgramError
        When it is missing, made for another machine, or cannot be started for another reason.
    SamplingError
        When it must be copied and cannot be, for want of space say.
    """
    if not PROGRAM.is_file():
        raise ProgramError(f"The Stan program of skhlm is missing at {PROGRAM}. {_remedy()}.")
    program = PROGRAM if os.access(PROGRAM, os.X_OK) else _copy(run_directory)
    _check_starts(program, environment)
    return program


def _copy(run_directory: Path) -> Path:
    """Copy of the program and its library, executable by this user."""
    directory = run_directory / "bin"
    copy = directory / PROGRAM.name
    try:
        directory.mkdir()
        for file in PROGRAM.parent.iterdir():
            shutil.copy(file, directory)
        copy.chmod(0o700)
    except OSError as error:
        raise explain_failure(error, run_directory) from error
    return copy


def _check_starts(program: Path, environment: Mapping[str, str]) -> None:
    """Run the program's ``info``, the only question that needs no data.

    It is given a copy of the environment: the process's own may move in memory while cmdstanpy, in
    another thread that fits, sets a variable, and no program starts from it then ("Bad address").
    """
    try:
        answer = subprocess.run(
            [program, "info"],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ProgramError(
            f"The Stan program of skhlm at {program} cannot be started on this machine: "
            f"{error.strerror}. It is damaged, built for another kind of machine, or lies where "
            f"nothing may be executed. {_remedy()}; or name a directory that allows executing in "
            "the environment variable TMPDIR."
        ) from error
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        raise ProgramError(
            f"The Stan program of skhlm at {program} does not run: {lines[-1]}. {_remedy()}."
        )


def _remedy() -> str:
    """The command that makes the program anew, for a checkout or for an installation."""
    build = _SOURCE / "stan" / "build.py"
    if build.is_file():
        return f"Compile it on this machine: {shlex.join([sys.executable, str(build)])}"
    command = ["pip", "install", "--force-reinstall", "--no-deps", _origin()]
    return f"Install skhlm again on this machine: {shlex.join(command)}"


def _origin() -> str:
    """What pip installed the package from: its name, or the place that pip noted (PEP 610)."""
    try:
        note = distribution("skhlm").read_text("direct_url.json")
    except PackageNotFoundError:  # a copy that nobody installed
        note = None
    if note is None:
        return "skhlm"
    place = json.loads(note)
    url, version_control = place["url"], place.get("vcs_info", {}).get("vcs")
    if version_control:
        return f"{version_control}+{url}"
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else str(url)


def explain_failure(error: Exception, directory: Path) -> SamplingError:
    """The error to raise, from what cmdstanpy says and what the program left behind."""
    kind = NumericalError if is_numerical(error) else SamplingError
    return kind(f"The Stan program failed: {_cause(error, directory)}.")


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
    """Exit codes of the processes, by cmdstanpy's record of the run in which the error was raised.

    Few of its messages have them: those of Pathfinder and ADVI say nothing of the kind.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    records = [frame.f_locals["runset"] for frame in frames if "runset" in frame.f_locals]
    return [int(code) for record in records[-1:] for code in record._retcodes]


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
