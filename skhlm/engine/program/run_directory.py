"""A private directory for one run of the Stan program, gone on every way out."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skhlm.exceptions import SamplingError

_RUN = "skhlm-"
OF_CMDSTANPY = "cmdstanpy-"
_LOCK = "lock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # of Linux: another one at every start


@contextmanager
def run_directory(prefix: str = _RUN) -> Iterator[Path]:
    """Make a directory that only this user can read; remove it on every way out of this process.

    It holds the training data for as long as the program runs. Where the process itself is killed
    the directory stays, and the next run on the machine removes it: its lock is free then.
    """
    try:
        _sweep(Path(tempfile.gettempdir()))
        path = Path(tempfile.mkdtemp(prefix=prefix))
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
    """Hold the directory's lock, which the system frees when this process ends in any way.

    The mark is written when the lock is held: where both can be had, the process has died.
    """
    try:
        descriptor = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:  # no space for even that: the run will say so
        yield
        return
    try:
        if _lock(descriptor):
            with suppress(OSError):
                os.write(descriptor, _mark())
        yield
    finally:
        os.close(descriptor)


def _sweep(root: Path) -> None:
    """Remove directories of this user's runs whose process was killed."""
    with suppress(OSError):
        for entry in os.scandir(root):
            if entry.name.startswith((_RUN, OF_CMDSTANPY)) and _is_abandoned(entry):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_abandoned(entry: os.DirEntry[str]) -> bool:
    """Whether a directory has our mark, this machine's and this user's, and its lock is free."""
    try:
        status = entry.stat(follow_symlinks=False)
        if not entry.is_dir(follow_symlinks=False) or status.st_uid != os.getuid():
            return False
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(Path(entry.path) / _LOCK, flags)
    except OSError:  # gone meanwhile, or none of our directories
        return False
    try:
        mark = _mark()
        return os.read(descriptor, len(mark) + 1) == mark and _lock(descriptor)
    except OSError:  # what is called so is no file
        return False
    finally:
        os.close(descriptor)


def _mark() -> bytes:
    """What a lock of ours says, with the machine: locks are not seen from another one.

    After a restart of the machine nobody can tell a directory from that of a machine which shares
    the disk; it stays, for whatever empties the machine's temporary directory.
    """
    machine = _BOOT.read_text().strip() if _BOOT.is_file() else platform.node()
    return f"skhlm removes this directory when the lock is free. Machine: {machine}\n".encode()


def _lock(descriptor: int) -> bool:
    """Take a lock, unless another process has it; whether that went well."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
