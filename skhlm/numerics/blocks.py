"""Slices that keep working arrays small, and the memory of these arrays at hand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

BLOCK_BYTES = 2**22  # of one working array: near the cache, and work enough between two threads
JOINT_BYTES = 2**26  # of one that must hold all rows, or all draws, at once
_KEPT_BYTES = 2**25 - 2**13  # of an array whose memory is kept when it is freed: just below 32 MiB


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` (at least 1) that cover ``range(n)``."""
    _keep_memory()
    size = max(size, 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


@cache
def _keep_memory() -> None:
    """Have the allocator keep the memory of working arrays from one block to the next.

    The GNU C library gives back what was freed, and takes it again page by page, if it is larger
    than anything that was freed before, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD): threads that
    wait for pages take up to twice the time. An array that nobody writes to costs nothing.
    """
    np.empty(_KEPT_BYTES, dtype=np.uint8)
