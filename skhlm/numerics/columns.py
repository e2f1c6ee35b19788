"""Draws of the program's parameters, a column each: in files, or in memory, chain after chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from skhlm._typing import Floats


class Rows(Protocol):
    """Rows of numbers (n, P), which may be read when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, P)."""

    def __getitem__(self, key: tuple[slice, slice], /) -> Floats:
        """Some rows and columns."""


@dataclass(frozen=True)
class Columns:
    """Draws of P parameters, (chains, draws, P); each chain lies in one piece or several, (n, P).

    Nothing is read before it is asked for. ``first`` and ``stop`` leave other parameters out.
    """

    chains: tuple[tuple[Rows, ...], ...]
    first: int = 0
    stop: int | None = None

    @classmethod
    def in_memory(cls, draws: Floats) -> Columns:
        """Of an array (chains, draws, ...), whose further axes become one."""
        return cls(tuple((chain,) for chain in draws.reshape(*draws.shape[:2], -1)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(chains, draws, P)."""
        chain = self.chains[0]
        n_columns = len(range(chain[0].shape[1])[self._columns])
        return len(self.chains), sum(piece.shape[0] for piece in chain), n_columns

    def __getitem__(self, draws: slice) -> Floats:
        """Some of all draws, chain after chain, from one to before another: (n, P)."""
        found = list(self._overlaps(draws.start, draws.stop))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _overlaps(self, start: int, stop: int) -> Iterator[Floats]:
        """What each piece has of all draws from ``start`` to before ``stop``."""
        begin = 0
        for piece in (piece for chain in self.chains for piece in chain):
            n = piece.shape[0]
            own = slice(max(start - begin, 0), min(stop - begin, n))
            if own.start < own.stop:
                yield piece[own, self._columns]
            begin += n

    @property
    def _columns(self) -> slice:
        return slice(self.first, self.stop)

    def part(self, first: int, stop: int) -> Columns:
        """Some of the parameters."""
        return replace(self, first=self.first + first, stop=self.first + stop)

    def array(self) -> Floats:
        """All of it in memory, (chains, draws, P)."""
        chains, draws, n_columns = self.shape
        if not chains * draws:
            return np.empty(self.shape)
        return self[0 : chains * draws].reshape(chains, draws, n_columns)

    @property
    def last(self) -> Floats:
        """Where each chain ends, (chains, 1, P)."""
        return np.stack([chain[-1][-1:, self._columns] for chain in self.chains])

    def followed_by(self, other: Columns) -> Columns:
        """Each chain with more draws of the same parameters after its own."""
        chains = (a + b for a, b in zip(self.chains, other.chains, strict=True))
        return replace(self, chains=tuple(chains))
