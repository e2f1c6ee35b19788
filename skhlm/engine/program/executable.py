"""The compiled Stan program inside the package: where it is, and whether it runs here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from skhlm.engine.program.failure import explain_failure
from skhlm.exceptions import ProgramError

PROGRAM = Path(__file__).parent / "bin" / "hlm"
_REINSTALL = "Install skhlm again on this machine: pip install --force-reinstall --no-deps skhlm"


def find_program(run_directory: Path) -> Path:
    """Path of a program that runs, checked by running it once.

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
        raise ProgramError(f"The Stan program of skhlm is missing at {PROGRAM}. {_REINSTALL}.")
    program = PROGRAM if os.access(PROGRAM, os.X_OK) else _copy(run_directory)
    _check_starts(program)
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


def _check_starts(program: Path) -> None:
    """Run the program's ``info``, the only question that needs no data."""
    try:
        answer = subprocess.run(
            [program, "info"], capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise ProgramError(
            f"The Stan program of skhlm at {program} cannot be started on this machine: "
            f"{error.strerror}. It is damaged, built for another kind of machine, or lies where "
            f"nothing may be executed. {_REINSTALL}; or name a directory that allows executing in "
            "the environment variable TMPDIR."
        ) from error
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        raise ProgramError(
            f"The Stan program of skhlm at {program} does not run: {lines[-1]}. {_REINSTALL}."
        )
