"""Numbers in (0, 1) that are spread evenly."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats

GOLDEN = (np.sqrt(5) - 1) / 2


def stratified(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Uniform draws, one at the middle of each of equal strata along the last axis, shuffled."""
    strata = np.broadcast_to((np.arange(shape[-1]) + 0.5) / shape[-1], shape)
    return rng.permuted(strata, axis=-1)


def golden(n: int) -> Floats:
    """Multiples of the golden ratio, modulo 1: any run of neighbours is spread evenly, (n,)."""
    share: Floats = (0.5 + np.arange(n) * GOLDEN) % 1
    return share
