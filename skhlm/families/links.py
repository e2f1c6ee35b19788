"""Links: from the linear predictor eta = x' beta to the expected outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from scipy.special import logit

from skhlm._typing import Floats
from skhlm.families.logistic_averages import AverageOfLogistic
from skhlm.families.logistic_normal import (
    logistic,
    logistic_slope,
    mean_of_bend,
    mean_of_logistic,
    mean_of_slope,
)

_LARGEST = 700.0  # exp of more overflows


class Link(ABC):
    """A function of the expected outcome, which is its inverse at eta.

    ``linear`` says that the mean over draws is the value at the mean coefficients, and that the
    effect of a new level, whose mean is 0, leaves it. ``scale`` is what eta is called, a text in
    front of "of y" ("" where it is y's own), ``ratio`` what exp of a coefficient is, as the name of
    a column; None where it is nothing.
    """

    name: ClassVar[str]
    scale: ClassVar[str]
    ratio: ClassVar[str | None] = None
    linear: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        """A link has no state."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """Of the class."""
        return hash(type(self))

    @abstractmethod
    def inverse(self, eta: Floats) -> Floats:
        """Expected outcome at eta."""

    @abstractmethod
    def link(self, mean: Floats) -> Floats:
        """The eta at which an outcome is expected."""

    @abstractmethod
    def derivative(self, eta: Floats) -> Floats:
        """Derivative of the expected outcome by eta."""

    @abstractmethod
    def mean_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """Expected outcome at eta + N(0, variance), averaged over that."""

    def average(self, eta: Floats) -> Floats:
        """Mean over draws of the expected outcome, (b,), at eta (b, S), which is overwritten."""
        average: Floats = self.inverse(eta).mean(axis=1)
        return average

    def averaging_over_normal(self) -> Callable[[Floats, Floats], Floats]:
        """Function from eta and variance (b, S) to the mean of `mean_over_normal`, (b,).

        It may overwrite both, and keep memory between calls.
        """
        return lambda eta, variance: self.mean_over_normal(eta, variance).mean(axis=1)

    @abstractmethod
    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """First and second derivative by eta of `mean_over_normal`."""

    @abstractmethod
    def variance_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """Variance of the expected outcome at eta + N(0, variance); infinite if too large."""


class Identity(Link):
    """The expected outcome is eta itself."""

    name = "identity"
    scale = ""
    linear = True

    def inverse(self, eta: Floats) -> Floats:
        """Eta."""
        return eta

    def link(self, mean: Floats) -> Floats:
        """The mean."""
        return mean

    def derivative(self, eta: Floats) -> Floats:
        """One."""
        return np.ones_like(eta)

    def mean_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """Eta, as the normal effect has mean 0."""
        return eta + np.zeros_like(variance)

    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """One and zero."""
        shape = np.broadcast_shapes(eta.shape, variance.shape)
        return np.ones(shape), np.zeros(shape)

    def variance_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """The variance itself."""
        return np.zeros_like(eta) + variance


class Log(Link):
    """The expected outcome is exp(eta)."""

    name = "log"
    scale = "log rate"
    ratio = "rate_ratio"

    def inverse(self, eta: Floats) -> Floats:
        """exp(eta), kept finite."""
        mean: Floats = np.exp(np.minimum(eta, _LARGEST))
        return mean

    def average(self, eta: Floats) -> Floats:
        """In place: memory that is taken anew costs as much as the exponentials."""
        np.minimum(eta, _LARGEST, out=eta)
        average: Floats = np.exp(eta, out=eta).mean(axis=1)
        return average

    def link(self, mean: Floats) -> Floats:
        """Its logarithm."""
        eta: Floats = np.log(mean)
        return eta

    def derivative(self, eta: Floats) -> Floats:
        """exp(eta)."""
        return self.inverse(eta)

    def mean_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """Mean of a log-normal distribution, exp(eta + variance / 2)."""
        return self.inverse(eta + 0.5 * variance)

    def averaging_over_normal(self) -> Callable[[Floats, Floats], Floats]:
        """In place, too."""

        def average(eta: Floats, variance: Floats) -> Floats:
            variance *= 0.5
            eta += variance
            return self.average(eta)

        return average

    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """The mean itself, twice."""
        mean = self.mean_over_normal(eta, variance)
        return mean, mean

    def variance_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """exp(2 eta + variance) (exp(variance) - 1)."""
        with np.errstate(over="ignore", divide="ignore"):
            rise = np.log(-np.expm1(-variance))
            of_mean: Floats = np.exp(2 * (eta + variance) + rise)
        return of_mean


class Logit(Link):
    """The expected outcome is 1 / (1 + exp(-eta))."""

    name = "logit"
    scale = "log odds"
    ratio = "odds_ratio"

    def inverse(self, eta: Floats) -> Floats:
        """The logistic function."""
        return logistic(eta)

    def link(self, mean: Floats) -> Floats:
        """Logarithm of the odds."""
        eta: Floats = logit(mean)
        return eta

    def derivative(self, eta: Floats) -> Floats:
        """mean (1 - mean)."""
        return logistic_slope(eta)

    def mean_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """By trapezoidal rules, to 1e-8."""
        return mean_of_logistic(eta, variance)

    def average(self, eta: Floats) -> Floats:
        """In place."""
        with np.errstate(over="ignore"):
            np.exp(np.negative(eta, out=eta), out=eta)
        eta += 1
        average: Floats = np.divide(1, eta, out=eta).mean(axis=1)
        return average

    def averaging_over_normal(self) -> Callable[[Floats, Floats], Floats]:
        """As exact, from few values."""
        return AverageOfLogistic()

    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """By the same rules."""
        return mean_of_slope(eta, variance), mean_of_bend(eta, variance)

    def variance_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """That of one trial, less its part about the mean: E[mu (1 - mu)] is the first slope."""
        mean = self.mean_over_normal(eta, variance)
        within = mean_of_slope(eta, variance)
        return np.where(variance > 0, np.maximum(mean * (1 - mean) - within, 0), 0.0)


IDENTITY, LOG, LOGIT = Identity(), Log(), Logit()
