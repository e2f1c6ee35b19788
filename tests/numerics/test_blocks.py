"""Every position is in one block, and no block is too large."""

from __future__ import annotations

import pytest

from skhlm.numerics.blocks import blocks


@pytest.mark.parametrize("n", [0, 1, 6, 7])
@pytest.mark.parametrize("size", [0, 1, 3, 100])
def test_blocks_cover_everything_once(n: int, size: int) -> None:
    found = [range(n)[block] for block in blocks(n, size)]
    assert [position for block in found for position in block] == list(range(n))
    assert all(len(block) <= max(size, 1) for block in found)
