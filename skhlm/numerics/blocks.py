"""Slices that keep working arrays small, and threads that share them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import joblib

BLOCK_BYTES = 2**22  # of one working array: what a processor's cache holds
JOINT_BYTES = 2**26  # of one that must hold all rows, or all draws, at once

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` (at least 1) that cover ``range(n)``."""
    size = max(size, 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def in_threads(
    function: Callable[[_Item], _Result], items: Iterable[_Item], n_threads: int
) -> list[_Result]:
    """``function`` of every item, in order; one thread is the caller's own."""
    if n_threads == 1:
        return list(map(function, items))
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))


def n_workers(n_jobs: int | None = None) -> int:
    """As many as processors or asked for, one where joblib runs several things at once already."""
    backend, n_configured = joblib.parallel.get_active_backend()
    if backend.nesting_level:
        return 1
    n_processors = int(joblib.cpu_count())
    wanted = next((n for n in (n_jobs, n_configured) if n is not None), -1)
    return min(n_processors, max(1, n_processors + 1 + wanted) if wanted < 0 else int(wanted))
