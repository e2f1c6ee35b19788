"""Residuals of the draws of a posterior, as scale mixtures of normal distributions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats


@dataclass(frozen=True)
class Residuals(ABC):
    """Residuals of S draws of scales ``sigma``, (S,).

    Predictions for new levels are made of them: quantiles from `components`, which should be some
    thousands in all where there is no closed form, densities from `log_density`.
    """

    sigma: Floats

    @property
    def size(self) -> float:
        """Mean of sigma^2: the order of magnitude of their squares, where searches begin."""
        return float(np.mean(self.sigma**2))

    @property
    @abstractmethod
    def components(self) -> tuple[Floats, Floats]:
        """Variances and weights (M S,) of normal residuals that together are distributed as these.

        Component m S + s belongs to draw s.
        """

    @abstractmethod
    def log_density(self, square: Floats, variance: Floats) -> Floats:
        """Log density of residual + N(0, variance) at its square, in each draw; all (b, S).

        The variance may be 0.
        """


@dataclass(frozen=True)
class NormalResiduals(Residuals):
    """Normal ones."""

    @property
    def components(self) -> tuple[Floats, Floats]:
        """One a draw."""
        return self.sigma**2, np.full(len(self.sigma), 1 / len(self.sigma))

    def log_density(self, square: Floats, variance: Floats) -> Floats:
        """Of a normal distribution whose variances add up."""
        return log_normal(square, variance + self.sigma**2)


def log_normal(square: Floats, variance: Floats) -> Floats:
    """Log density of N(0, variance) at its square."""
    density: Floats = -0.5 * (square / variance + np.log(2 * np.pi * variance))
    return density
