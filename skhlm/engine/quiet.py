"""A context in which cmdstanpy says nothing and changes nothing."""

from __future__ import annotations

import logging
import os
import threading

_LOGGER = logging.getLogger("cmdstanpy")
_THREADS = "STAN_NUM_THREADS"  # cmdstanpy sets it


class _Quiet:
    """A context in which cmdstanpy logs nothing; after it, what it set in the process is put back.

    Logger and environment belong to the process: while several threads fit, the first to enter
    saves their state and the last to leave restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._disabled = False
        self._threads: str | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._disabled = _LOGGER.disabled
                self._threads = os.environ.get(_THREADS)
            _LOGGER.disabled = True
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _LOGGER.disabled = self._disabled
                os.environ.pop(_THREADS, None)
                os.environ.update({} if self._threads is None else {_THREADS: self._threads})


CMDSTANPY_IS_QUIET = _Quiet()
