"""Maps from a coordinate z, near N(0, 1), to the logarithm of a scale, which may be skewed.

bent    a + b z + c (sqrt(1 + z^2) - 1),    a straight line where c = 0
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


def unbent(coefficients: Floats, value: Floats, lean: Floats | float = 0.0) -> Floats:
    """The z at which the bent map has a value (..., D) less ``lean``.

    With u = value - lean - a + c it solves u - b z = c sqrt(1 + z^2).
    """
    a, b, c = coefficients[..., None]
    u = value - a - lean + c
    width = b**2 - c**2
    z: Floats = np.where(c == 0, u / b, (u * b - c * np.sqrt(u**2 + width)) / width)
    return z


def match_quantiles(quantiles: Floats) -> Floats:
    """Coefficients (3, ...) of the bent map that takes normal 5/50/95% points to these (3, ...)."""
    low, middle, high = quantiles
    b = np.maximum((high - low) / (2 * TAIL), NARROWEST)
    c = (high + low - 2 * middle) / (2 * _BEND_AT_TAIL)
    return np.stack([middle, b, np.clip(c, -_STEEPEST_BEND * b, _STEEPEST_BEND * b)])
