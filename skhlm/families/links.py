"""Links: from the linear predictor eta = x' beta to the expected outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from scipy.special import logit

from skhlm._typing import Floats

_LARGEST = 700.0  # exp of more overflows
_STEP, _REACH = 0.7, 6.5  # of the trapezoidal rule, in standard deviations


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

    @abstractmethod
    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """First and second derivative by eta of `mean_over_normal`."""


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


class Log(Link):
    """The expected outcome is exp(eta)."""

    name = "log"
    scale = "log rate"
    ratio = "rate_ratio"

    def inverse(self, eta: Floats) -> Floats:
        """exp(eta), kept finite."""
        mean: Floats = np.exp(np.minimum(eta, _LARGEST))
        return mean

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

    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """The mean itself, twice."""
        mean = self.mean_over_normal(eta, variance)
        return mean, mean


class Logit(Link):
    """The expected outcome is 1 / (1 + exp(-eta))."""

    name = "logit"
    scale = "log odds"
    ratio = "odds_ratio"

    def inverse(self, eta: Floats) -> Floats:
        """The logistic function; scipy's takes three times as long."""
        with np.errstate(over="ignore"):
            mean: Floats = 1 / (1 + np.exp(-eta))
        return mean

    def link(self, mean: Floats) -> Floats:
        """Logarithm of the odds."""
        eta: Floats = logit(mean)
        return eta

    def derivative(self, eta: Floats) -> Floats:
        """mean (1 - mean), without cancellation far out."""
        e = np.exp(-np.abs(eta))
        slope: Floats = e / np.square(1 + e)
        return slope

    def mean_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """By the trapezoidal rule, to 1e-8."""
        return _over_normal(self.inverse, eta, variance)

    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """By the same rule."""
        first = _over_normal(self.derivative, eta, variance)
        return first, _over_normal(self._bend, eta, variance)

    def _bend(self, eta: Floats) -> Floats:
        """Second derivative of the expected outcome, mean (1 - mean) (1 - 2 mean)."""
        return -self.derivative(eta) * np.tanh(0.5 * eta)


def _over_normal(function: Callable[[Floats], Floats], eta: Floats, variance: Floats) -> Floats:
    """Mean of a logistic function at eta + N(0, variance), by the trapezoidal rule.

    The wider the widest normal, the more points.
    """
    sd = np.sqrt(variance)
    step = min(_STEP, 1 / max(float(sd.max()), 1 / _STEP))
    points = np.arange(1, np.ceil(_REACH / step)) * step
    weights = np.exp(-0.5 * points**2)
    mean = function(eta + np.zeros_like(sd))
    for z, weight in zip(points, weights, strict=True):
        mean += weight * (function(eta + z * sd) + function(eta - z * sd))
    mean /= 1 + 2 * weights.sum()
    return mean


IDENTITY, LOG, LOGIT = Identity(), Log(), Logit()
