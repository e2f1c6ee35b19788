"""Whole numbers: factorials and deviances without cancellation, quantiles by search.

Stirling's formula takes the large terms out of a factorial, log x! = x log x - x + e(x), so that a
log density is a deviance, which is small where the outcome is likely, and some e(x).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv, gammaln, xlogy

from skhlm._typing import Bools, Floats
from skhlm.families.excess import Excess

_LARGE = 16.0  # from here on the series is exact
_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)
_FAR = 0.5  # relative distance from which a logarithm of the ratio loses nothing
_LARGEST = 2.0**1020  # no outcome is beyond


class Recursion(NamedTuple):
    """Probabilities of 0, 1, 2, ... one after the other, arrays of one shape.

    P(0) is ``zero``, and P(k + 1) = P(k) (first + k step) / (k + 1); no step is one of zero.
    """

    zero: Floats
    first: Floats
    step: Floats | None
    mean: Floats


def factorial_excess(x: Floats) -> Floats:
    """e(x) = log x! - (x log x - x), x >= 0: about log(2 pi x) / 2."""
    few, many = np.minimum(x, _LARGE), np.maximum(x, _LARGE)
    square = np.square(1 / many)
    series = np.zeros_like(many)
    for term in reversed(_SERIES):
        series = series * square + term
    large = 0.5 * np.log(2 * np.pi * many) + series / many
    excess: Floats = np.where(x < _LARGE, gammaln(few + 1) - xlogy(few, few) + few, large)
    return excess


def half_deviance(x: Floats, mean: Floats, difference: Floats) -> Floats:
    """x log(x / mean) - (x - mean) >= 0, for x = mean + difference."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        r = difference / mean
        near = mean * ((1 + r) * np.log1p(r) - r)
        far = np.where(x > 0, x * (np.log(x) - np.log(mean)), 0.0) - difference
    deviance: Floats = np.where(np.abs(r) < _FAR, near, far)
    return deviance


def count_quantile(
    cdf: Callable[[Floats], Floats], p: Floats, mean: Floats, variance: Floats
) -> Floats:
    """The smallest whole number y >= 0 with cdf(y) >= p; infinite where p is 1.

    ``cdf`` maps whole numbers of the shape of the others, which are alike, to probabilities. The
    search begins at the quantile of a gamma distribution with the same mean and variance.
    """
    inside = np.clip(p, 0, 1 - 2.0**-53)
    with np.errstate(all="ignore"):
        guess = gammaincinv(np.square(mean) / variance, inside) * variance / mean
    guess = np.floor(np.clip(np.nan_to_num(guess), 0, _LARGEST))
    step = 1 + np.floor(0.1 * np.sqrt(variance))
    low = _walk(guess - 1, step, lambda y: (y >= 0) & (cdf(y) >= inside), -1)
    high = _walk(np.maximum(guess, low + 1), step, lambda y: cdf(y) < inside, 1)
    while (wide := high - low > np.maximum(1, 1e-15 * high)).any():  # cdf(low) < p <= cdf(high)
        middle = np.floor(0.5 * (low + high))
        enough = cdf(middle) >= inside
        high = np.where(wide & enough, middle, high)
        low = np.where(wide & ~enough, middle, low)
    quantile: Floats = np.where(p < 1, high, np.inf)
    return quantile


def zeros_beyond(y: Floats, log_probability: Floats) -> Excess:
    """Zeros less their probabilities."""
    zero = np.exp(log_probability)
    variance = zero * -np.expm1(log_probability)
    return Excess((y == 0) - zero, variance, variance * (1 - 2 * zero), np.ones_like(zero), step=1)


def _walk(
    start: Floats, step: Floats, goes_on: Callable[[Floats], Bools], direction: int
) -> Floats:
    """Where steps of doubling size, not below -1, first fail to go on."""
    y = start
    while (moving := goes_on(y) & (y < _LARGEST)).any():
        y = np.where(moving, np.clip(y + direction * step, -1, _LARGEST), y)
        step = 2 * step
    return y
