"""Slices that keep working arrays small."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK_BYTES = 2**21  # of one working array: near the cache, and kept by the allocator
JOINT_BYTES = 2**26  # of one that must hold all rows, or all draws, at once


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` (at least 1) that cover ``range(n)``."""
    size = max(size, 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
