"""Distribution functions of counts that are mixtures over draws: one whole number after another.

A recursion from each probability to the next takes a few operations for a draw, where an incomplete
beta function takes hundreds, and its sums are exact to rounding errors.
"""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats
from skhlm.families.counts import Recursion

_LEAST = 1e-280  # probability of a zero from which on nothing underflows
_LONGEST = 2**12  # whole numbers
_FARTHEST_MEAN = 2**9  # more needs more of them
_AT_ONCE = 8
_RESCALED = 1e-100  # where factorials are divided out


class CountTable:
    """P(Y <= k), k = 0, 1, ..., of an even mixture over C draws, as far as was asked for."""

    def __init__(self, recursion: Recursion) -> None:
        self._recursion = recursion
        self._term = recursion.zero.copy()  # of each draw, times `_scale` its probability of k
        self._ratio = recursion.first.copy()
        self._scale = 1.0 / len(self._term)
        self._below = [float(self._term.sum()) * self._scale]

    @classmethod
    def of(cls, recursion: Recursion) -> CountTable | None:
        """None where it would underflow or grow too long."""
        short = recursion.zero.min() >= _LEAST and recursion.mean.max() <= _FARTHEST_MEAN
        return cls(recursion) if short else None

    def up_to(self, k: float) -> Floats:
        """P(Y <= 0), ..., P(Y <= k), (k + 1,), for whole k."""
        while len(self._below) <= k:
            self._extend()
        return np.array(self._below[: int(k) + 1])

    def reaching(self, p: float) -> Floats:
        """P(Y <= 0), ..., until this is p or more; cut short where it would be too long."""
        while self._below[-1] < p and len(self._below) < _LONGEST:
            self._extend()
        return np.array(self._below)

    def _extend(self) -> None:
        """By a few whole numbers."""
        for k in range(len(self._below), len(self._below) + _AT_ONCE):
            self._term *= self._ratio
            self._scale /= k
            if self._recursion.step is not None:
                self._ratio += self._recursion.step
            self._below.append(self._below[-1] + float(np.add.reduce(self._term)) * self._scale)
        if self._scale < _RESCALED:
            self._term *= self._scale * len(self._term)
            self._scale = 1.0 / len(self._term)
