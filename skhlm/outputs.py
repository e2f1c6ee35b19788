"""Files that are written whole or not at all, and never lose what they do not replace."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EISDIR, ENOENT, ENXIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file that takes the place of ``path`` when all is written, and vanishes otherwise.

    It has the owner and the permissions of the one it replaces; a link goes on leading to it. What
    is no file, a pipe or a terminal, is written to as it is.
    """
    path = Path(path)
    if is_stream(path):
        with _naming(path), _open_stream(path) as file:
            yield file
        return
    target = _resolved(path)
    with _naming(path), TemporaryDirectory(prefix=".skhlm-", dir=target.parent) as folder:
        partial = Path(folder, target.name)
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _dress(partial, target)
        partial.replace(target)


def is_stream(path: Path) -> bool:
    """Whether there is something else than a file, or one that the system lends a name."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    folder = path.parent.resolve()
    lent = folder == Path("/dev") or folder.match("/proc/*/fd")  # /dev/stdout, /dev/fd/1
    return lent or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _open_stream(path: Path) -> IO[bytes]:
    """A pipe or device, open; an error instead of waiting for somebody to read from it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno != ENXIO:
            raise
        raise OSError(ENXIO, "Nobody reads from this pipe", str(path)) from error
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def _resolved(path: Path) -> Path:
    """The path itself, links followed; raises where no file can be, and names what was given."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(ENOENT, "There is no such directory", str(path.parent))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(EACCES, os.strerror(EACCES), str(path))
    return target


def _dress(partial: Path, target: Path) -> None:
    """Give a file the owner, where we may, and the permissions of one that is there."""
    if target.exists():
        with suppress(PermissionError):
            shutil.chown(partial, target.stat().st_uid, target.stat().st_gid)
        shutil.copymode(target, partial)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Where the system cannot write, name the file that was asked for."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
