"""Links: from the linear predictor eta = x' beta to the expected outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from scipy.special import logit, ndtr

from skhlm._typing import Floats
from skhlm.families.logistic_normal import WIDEST, average_of_logistic, logistic

_LARGEST = 700.0  # exp of more overflows
_STEP, _REACH = 0.7, 6.5  # of the trapezoidal rule over a normal, in standard deviations
_WIDE = 1.0  # standard deviation from which the rule is over a logistic distribution
_LOGISTIC_STEP, _LOGISTIC_REACH = 0.75, 21.0
_ROOT_2_PI = np.sqrt(2 * np.pi)


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

    def average_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """The same of `mean_over_normal`, at eta and variance (b, S), which are overwritten."""
        average: Floats = self.mean_over_normal(eta, variance).mean(axis=1)
        return average

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

    def average_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """In place, too."""
        variance *= 0.5
        eta += variance
        return self.average(eta)

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
        """By trapezoidal rules, to 1e-8."""
        return _over_normal(self.inverse, _distribution, eta, variance)

    def average(self, eta: Floats) -> Floats:
        """In place."""
        average: Floats = logistic(eta).mean(axis=1)
        return average

    def average_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """As exact, but faster where the standard deviation is no larger than `WIDEST`."""
        more = np.zeros(len(eta))
        for i in np.flatnonzero(variance.max(axis=1) > WIDEST**2):
            wide = variance[i] > WIDEST**2
            at, spread = eta[i, wide], variance[i, wide]
            more[i] = (self.mean_over_normal(at, spread) - self.inverse(at)).sum()
            variance[i, wide] = 0.0
        average: Floats = average_of_logistic(eta, variance) + more / eta.shape[1]
        return average

    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """By the same rules."""
        first = _over_normal(self.derivative, _density, eta, variance)
        second = _over_normal(self._bend, _density_slope, eta, variance)
        return first, second

    def variance_over_normal(self, eta: Floats, variance: Floats) -> Floats:
        """That of one trial, less its part about the mean: E[mu (1 - mu)] is the first slope."""
        mean = self.mean_over_normal(eta, variance)
        within = _over_normal(self.derivative, _density, eta, variance)
        return np.where(variance > 0, np.maximum(mean * (1 - mean) - within, 0), 0.0)

    def _bend(self, eta: Floats) -> Floats:
        """Second derivative of the expected outcome, mean (1 - mean) (1 - 2 mean)."""
        return -self.derivative(eta) * np.tanh(0.5 * eta)


def _over_normal(
    function: Callable[[Floats], Floats],
    smoothed: Callable[[Floats, Floats], Floats],
    eta: Floats,
    variance: Floats,
) -> Floats:
    """Mean at eta + N(0, variance) of the logistic function or one of its derivatives.

    The logistic function is the distribution function of a logistic variable L, so that its mean is
    that of Phi((eta - L) / sd) over L, too: with x the quotient, ``smoothed`` is that or its
    derivative by eta. Of both forms the integrand is the smoother one, each value by itself.
    """
    eta, sd = np.broadcast_arrays(eta, np.sqrt(variance))
    mean, wide = np.empty(eta.shape), sd > _WIDE
    narrow = ~wide
    mean[narrow] = _over_points(function, eta[narrow], sd[narrow], _NORMAL_POINTS, _NORMAL_WEIGHTS)
    centre, width = eta[wide], sd[wide]
    mean[wide] = _over_points(
        lambda at: smoothed(at / width, width),
        centre,
        np.ones_like(width),
        _LOGISTIC_POINTS,
        _LOGISTIC_WEIGHTS,
    )
    return mean


def _over_points(
    function: Callable[[Floats], Floats],
    eta: Floats,
    sd: Floats,
    points: Floats,
    weights: Floats,
) -> Floats:
    """Weighted mean at eta and at eta +- each of the points times sd; the weight of eta is 1."""
    mean = function(eta)
    for z, weight in zip(points, weights, strict=True):
        mean += weight * (function(eta + z * sd) + function(eta - z * sd))
    mean /= 1 + 2 * weights.sum()
    return mean


def _distribution(x: Floats, sd: Floats) -> Floats:
    """That of a normal distribution at x sd."""
    del sd
    probability: Floats = ndtr(x)
    return probability


def _density(x: Floats, sd: Floats) -> Floats:
    """Its derivative."""
    density: Floats = np.exp(-0.5 * np.square(x)) / (_ROOT_2_PI * sd)
    return density


def _density_slope(x: Floats, sd: Floats) -> Floats:
    """Its second derivative."""
    return -x / sd * _density(x, sd)


IDENTITY, LOG, LOGIT = Identity(), Log(), Logit()

_NORMAL_POINTS = np.arange(_STEP, _REACH, _STEP)
_NORMAL_WEIGHTS = np.exp(-0.5 * np.square(_NORMAL_POINTS))
_LOGISTIC_POINTS = np.arange(_LOGISTIC_STEP, _LOGISTIC_REACH, _LOGISTIC_STEP)
_LOGISTIC_WEIGHTS = 4 * LOGIT.derivative(_LOGISTIC_POINTS)
