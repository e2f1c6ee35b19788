"""Threads that share work, and how many there should be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import joblib

from skhlm.numerics.blocks import blocks

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(
    function: Callable[[_Item], _Result], items: Iterable[_Item], n_threads: int
) -> list[_Result]:
    """``function`` of every item, in order; one thread is the caller's own."""
    if n_threads == 1:
        return list(map(function, items))
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))


def in_blocks(function: Callable[[slice], _Result], n: int, size: int) -> list[_Result]:
    """``function`` of slices of at most ``size`` that cover ``range(n)``; threads share them."""
    pieces = list(blocks(n, size))
    return in_threads(function, pieces, min(n_workers(), max(len(pieces), 1)))


def n_workers(n_jobs: int | None = None) -> int:
    """As many as processors or asked for, one where joblib runs several things at once already."""
    backend, n_configured = joblib.parallel.get_active_backend()
    if backend.nesting_level:
        return 1
    n_processors = int(joblib.cpu_count())
    wanted = next((n for n in (n_jobs, n_configured) if n is not None), -1)
    return min(n_processors, max(1, n_processors + 1 + wanted) if wanted < 0 else int(wanted))
