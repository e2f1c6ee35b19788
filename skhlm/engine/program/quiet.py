"""A context in which cmdstanpy says nothing, changes nothing, and reads with pandas."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.util import Finalize
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.fixes import parse_version

from skhlm._typing import Floats
from skhlm.engine.program.run_directory import OF_CMDSTANPY, run_directory

_LOGGER = logging.getLogger("cmdstanpy")
_THREADS = "STAN_NUM_THREADS"  # cmdstanpy sets it
_MAKER = "mkdtemp"  # the function of tempfile
_READER = "csv_bytes_list_to_numpy"  # the function of cmdstanpy.utils.stancsv that reads draws


class _Quiet:
    """A context in which cmdstanpy logs nothing; after it, what it set in the process is put back.

    Where polars is installed cmdstanpy would read draws with it, and polars waits for ever in a
    process that was forked from one in which it has worked. pandas is as fast.

    Logger, environment and modules belong to the process: while several threads fit, the first to
    enter saves their state and the last to leave restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._disabled = False
        self._threads: str | None = None
        self._reader: Callable[..., Any] | None = None

    def __enter__(self) -> None:
        with self._lock:
            _import_cmdstanpy()
            stancsv = _stancsv()
            if self._users == 0:
                self._disabled = _LOGGER.disabled
                self._threads = os.environ.get(_THREADS)
                self._reader = getattr(stancsv, _READER)
            _LOGGER.disabled = True
            setattr(stancsv, _READER, read_rows)
            self._users += 1

    def environment(self) -> dict[str, str]:
        """The process's variables, none of which a thread that fits is just removing."""
        with self._lock:
            return dict(os.environ)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _LOGGER.disabled = self._disabled
                setattr(_stancsv(), _READER, self._reader)
                os.environ.pop(_THREADS, None)
                os.environ.update({} if self._threads is None else {_THREADS: self._threads})


def _import_cmdstanpy() -> None:
    """Import it, with the directory that it makes for as long as the process lasts in one of ours.

    Its own would stay for ever where the process is killed, or is a worker of multiprocessing, in
    which nothing of atexit runs; ours the next run removes.
    """
    if "cmdstanpy" in sys.modules:
        return
    with ExitStack() as stack:
        with _temporary_directories_in(stack.enter_context(run_directory(OF_CMDSTANPY))):
            _stancsv()
        Finalize(None, stack.pop_all().close, exitpriority=0)


@contextmanager
def _temporary_directories_in(directory: Path) -> Iterator[None]:
    """Make this thread's temporary directories in another than the usual one."""
    thread, make = threading.get_ident(), tempfile.mkdtemp

    def mkdtemp(*given: Any, **named: Any) -> Any:
        if given or named or threading.get_ident() != thread:
            return make(*given, **named)
        return make(dir=directory)

    setattr(tempfile, _MAKER, mkdtemp)
    try:
        yield
    finally:
        setattr(tempfile, _MAKER, make)


def _stancsv() -> ModuleType:
    """The module of cmdstanpy that reads the program's output."""
    from cmdstanpy.utils import stancsv

    return stancsv


def read_rows(lines: Sequence[bytes]) -> Floats:
    """Lines of numbers as (lines, numbers), each the double that is nearest to its digits."""
    if not lines:
        return np.empty((0, 0))
    table = pd.read_csv(io.BytesIO(b"".join(lines)), header=None, dtype=np.float64, **_EXACTLY)
    rows: Floats = table.to_numpy()
    return rows


# What pandas does unasked from 3.1, and no longer wants to be asked for.
_EXACTLY: dict[str, Any] = (
    {}
    if parse_version(pd.__version__) >= parse_version("3.1")
    else {"float_precision": "round_trip"}
)

CMDSTANPY_IS_QUIET = _Quiet()
