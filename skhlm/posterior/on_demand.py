"""Draws of effects that become an array of floats where levels are picked, a few at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from skhlm._typing import Floats, Ints

_Scalar = TypeVar("_Scalar", bound=np.generic)


def some_of(draws: NDArray[_Scalar], picks: Ints | slice) -> NDArray[_Scalar]:
    """Some of the draws (..., S), which lie in memory as those do."""
    return draws[..., picks] if isinstance(picks, slice) else np.take(draws, picks, axis=-1)


class OnDemand(ABC):
    """Draws of the effects of J levels, then zeros, then those of a level that was not seen.

    To be picked from as an array (J + 2, K_g, S), see `Coefficients`.

    Attributes
    ----------
    unseen : ndarray of shape (K_g, S)
        Effects of a level that was not seen.
    """

    unseen: Floats

    @property
    @abstractmethod
    def n_levels(self) -> int:
        """J."""

    @abstractmethod
    def of(self, levels: Ints) -> Floats:
        """Draws of some levels (n,), and of what stands behind them: (n, K_g, S)."""

    def __len__(self) -> int:
        return self.n_levels + 2

    @property
    def shape(self) -> tuple[int, int, int]:
        """As of an array that holds all of them."""
        return (len(self), *self.unseen.shape)

    def __getitem__(self, key: Any) -> Floats:
        """As of an array that holds all of them; the first index, of any kind, picks levels."""
        levels, *rest = key if isinstance(key, tuple) else (key,)
        wanted = np.arange(len(self))[levels]
        values = self.of(wanted.reshape(-1)).reshape(*wanted.shape, *self.unseen.shape)
        return values[(slice(None),) * wanted.ndim + tuple(rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:
        return np.asarray(self[:], dtype=dtype)
