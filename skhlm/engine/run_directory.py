"""A private directory for one run of the Stan program, gone on every way out."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skhlm.exceptions import SamplingError

_PREFIX = "skhlm-"
_LOCK = "lock"
_YOUNG = 60.0  # seconds in which a directory may not have its lock yet


@contextmanager
def run_directory() -> Iterator[Path]:
    """Make a directory that only this user can read; remove it on every way out of this process.

    It holds the training data for as long as the program runs. Where the process itself is killed
    the directory stays, and the next run on the machine removes it: its lock is free then.
    """
    try:
        _sweep(Path(tempfile.gettempdir()))
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as error:
        raise SamplingError(
            f"fit needs a writable temporary directory and found none ({error}). "
            "Name one in the environment variable TMPDIR."
        ) from error
    try:
        with _locked(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, which the system frees when this process ends in any way."""
    try:
        descriptor = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:  # no space for even that: the run will say so
        yield
        return
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _sweep(root: Path) -> None:
    """Remove directories of this user's runs whose process was killed."""
    with suppress(OSError):
        for entry in os.scandir(root):
            if entry.name.startswith(_PREFIX) and _is_abandoned(entry):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_abandoned(entry: os.DirEntry[str]) -> bool:
    """Whether a directory is ours, not just made, and its lock is free."""
    try:
        status = entry.stat(follow_symlinks=False)
        if not entry.is_dir(follow_symlinks=False) or status.st_uid != os.getuid():
            return False
        if time.time() - status.st_mtime < _YOUNG:
            return False
        descriptor = os.open(Path(entry.path) / _LOCK, os.O_RDWR)
    except OSError:  # gone meanwhile, or none of our directories
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take a lock, unless another process has it; whether that went well."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
