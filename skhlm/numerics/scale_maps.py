"""One-dimensional maps of the scales: from a coordinate z, near N(0, 1), to log tau, sigma and nu.

bent      a + b z + c (sqrt(1 + z^2) - 1)      log tau and log(nu - 1), which are skewed
slanted   s1 + s2 z_sigma + s3 z_nu            log(sigma - sigma_min), which leans on nu
"""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats

TAIL = 1.6448536269514722  # the normal distribution's 95% point
_BEND_AT_TAIL = np.sqrt(1 + TAIL**2) - 1
NARROWEST = 1e-12  # slope of a map, for quantiles that coincide
_STEEPEST_BEND = 0.8  # of the slope, so that the map stays increasing everywhere


def bent(coefficients: Floats, z: Floats) -> Floats:
    """The bent map of z (..., D), coefficients (3, ...)."""
    a, b, c = coefficients[..., None]
    value: Floats = a + b * z + c * (np.sqrt(1 + z**2) - 1)
    return value


def bent_slope(coefficients: Floats, z: Floats) -> Floats:
    """Derivative of the bent map by z, positive."""
    _, b, c = coefficients[..., None]
    slope: Floats = b + c * z / np.sqrt(1 + z**2)
    return slope


def unbent(coefficients: Floats, value: Floats) -> Floats:
    """The z at which the bent map has a value (..., D).

    With u = value - a + c it solves u - b z = c sqrt(1 + z^2).
    """
    a, b, c = coefficients[..., None]
    u = value - a + c
    width = b**2 - c**2
    z: Floats = (u * b - c * np.sqrt(u**2 + width)) / width
    return z


def match_quantiles(quantiles: Floats) -> Floats:
    """Coefficients (3, ...) of the bent map that takes normal 5/50/95% points to these (3, ...)."""
    low, middle, high = quantiles
    b = np.maximum((high - low) / (2 * TAIL), NARROWEST)
    c = (high + low - 2 * middle) / (2 * _BEND_AT_TAIL)
    return np.stack([middle, b, np.clip(c, -_STEEPEST_BEND * b, _STEEPEST_BEND * b)])


def slanted(coefficients: Floats, z_sigma: Floats, z_nu: Floats | None) -> Floats:
    """The slanted map, coefficients (3,); without a nu its z_nu is None."""
    lean = 0.0 if z_nu is None else coefficients[2] * z_nu
    value: Floats = coefficients[0] + coefficients[1] * z_sigma + lean
    return value


def unslanted(coefficients: Floats, value: Floats, z_nu: Floats | None) -> Floats:
    """The z_sigma at which the slanted map has a value (D,)."""
    lean = 0.0 if z_nu is None else coefficients[2] * z_nu
    z: Floats = (value - coefficients[0] - lean) / coefficients[1]
    return z


def log_information(log_sigma: Floats, log_nu: Floats | None) -> Floats:
    """Expected information of a row, x x' aside, as log c(sigma, nu); log_nu is log(nu - 1)."""
    if log_nu is None:
        return -2 * log_sigma
    nu = 1 + np.exp(log_nu)
    information: Floats = np.log((nu + 1) / (nu + 3)) - 2 * log_sigma
    return information
