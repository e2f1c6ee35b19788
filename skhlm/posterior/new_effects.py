"""The density of an outcome whose eta has an unknown normal effect, by quadrature about the mode.

    p(y) = integral of p(y | eta + u) N(u; 0, v) du

The integrand is log-concave in u. Points are u = c + s sinh(a t) / a for equally spaced t, with s
the width that the curvature at the mode has, but no more than 1, as the likelihood bends within
about that: near c as if it was normal, and far out, where it falls as slowly as the prior, in steps
that grow. The centre c is the mode, or where the likelihood breaks off if the mode is on a plateau.
Points reach to where the integrand is negligible, so that their number grows with the logarithm of
the prior's width, and the rule is exact up to terms that fall exponentially with its step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skhlm._typing import Bools, Floats
from skhlm.families import LinkFamily
from skhlm.families.family import Aux

_BEND, _STEP, _WIDEST = 0.7, 0.3, 1.0  # a, the step of t, the largest s
_NEGLIGIBLE, _MOST_POINTS = 20.0, 1000  # of the integrand's logarithm below its top; on each side
_PLATEAU, _STEEP = 5.5, 0.5  # standard deviations from the mode; score
_MOST_DOUBLINGS, _MOST_STEPS, _THERE = 1000, 200, 1e-6


def log_integral(family: LinkFamily, aux: Aux, y: Floats, eta: Floats, variance: Floats) -> Floats:
    """log p(y) at y (b,) in each draw, eta and variance (b, S); the variance may be 0: (b, S).

    Off by less than 1e-3, of whole outcomes by less than 1e-4; not above 0 if these are discrete.
    """
    result = np.empty(eta.shape)
    for i, at in enumerate(y):
        result[i] = _of_row(family, aux, at[None], eta[i], variance[i])
    return result


def _of_row(family: LinkFamily, aux: Aux, y: Floats, eta: Floats, variance: Floats) -> Floats:
    """The same for one row, (S,), with y (1,)."""
    v = np.maximum(variance, np.finfo(np.float64).tiny)
    mode = _mode(family, aux, y, eta, v)
    width = 1 / np.sqrt(np.maximum(family.curvature(y, eta + mode, aux), 0) + 1 / v)
    centre = _centre(family, aux, y, eta, v, mode, width)
    width, log_density = np.minimum(width, _WIDEST), family.log_density_of_eta(y, aux)

    def log_integrand(u: Floats) -> Floats:
        with np.errstate(divide="ignore", over="ignore"):
            log_p: Floats = log_density(eta + u) - 0.5 * np.square(u / np.sqrt(v))
        return log_p

    top = log_integrand(mode)
    total = np.exp(log_integrand(centre) - top)
    for direction in (-_STEP, _STEP):
        for t in direction * np.arange(1, _MOST_POINTS):
            u = centre + np.sinh(_BEND * t) / _BEND * width
            below = log_integrand(u) - top
            total += np.cosh(_BEND * t) * np.exp(below)
            if ((below < -_NEGLIGIBLE) & (direction * (u - mode) >= 0)).all():
                break
    log_total: Floats = top + np.log(total * _STEP * (width / np.sqrt(2 * np.pi * v)))
    highest = 0.0 if family.is_discrete else np.inf
    density: Floats = np.minimum(log_total, highest)
    return density


def _centre(
    family: LinkFamily, aux: Aux, y: Floats, eta: Floats, v: Floats, mode: Floats, width: Floats
) -> Floats:
    """The mode, or the end of a plateau that it is on: where the score is half a unit, (S,)."""
    centre, reach = mode.copy(), _PLATEAU * np.sqrt(v)
    if not (plateau := (width > _WIDEST) & (reach > _PLATEAU * _WIDEST)).any():
        return centre
    for direction in (-1, 1):

        def steep(u: Floats, direction: int = direction) -> Bools:
            return np.asarray(-direction * family.score(y, eta + u, aux) > _STEEP)

        near, far = mode, mode + direction * reach
        ends = plateau & steep(far) & ~steep(near)
        while (wide := ends & (np.abs(far - near) > _WIDEST)).any():
            middle = 0.5 * (near + far)
            beyond = steep(middle)
            near, far = np.where(wide & ~beyond, middle, near), np.where(wide & beyond, middle, far)
        centre = np.where(ends, near, centre)
    return centre


def _mode(family: LinkFamily, aux: Aux, y: Floats, eta: Floats, v: Floats) -> Floats:
    """Where log p(y | eta + u) - u^2 / 2 v is largest, (S,).

    Newton's method inside a bracket, which is halved where a step is not half of that before.
    """

    def slope_at(u: Floats) -> Floats:
        slope: Floats = family.score(y, eta + u, aux) - u / v
        return slope

    low, high = _bracket(slope_at, eta.shape)
    u, before = np.zeros(eta.shape), high - low
    for _ in range(_MOST_STEPS):
        slope = slope_at(u)
        low, high = np.where(slope >= 0, u, low), np.where(slope <= 0, u, high)
        curvature = np.maximum(family.curvature(y, eta + u, aux), 0) + 1 / v
        step = slope / curvature
        outside = (u + step < low) | (u + step > high) | (np.abs(step) > 0.5 * before)
        step = np.where(outside, 0.5 * (low + high) - u, step)
        u, before = u + step, np.abs(step)
        if (np.square(step) * curvature < _THERE).all():
            break
    return u


def _bracket(slope_at: Callable[[Floats], Floats], shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Ends of an interval that has 0 for one end and the mode inside, (S,) each."""
    up = slope_at(np.zeros(shape)) > 0
    near, far = np.zeros(shape), np.where(up, 1.0, -1.0)
    for _ in range(_MOST_DOUBLINGS):
        further = (slope_at(far) > 0) == up
        if not further.any():
            break
        near, far = np.where(further, far, near), np.where(further, 2 * far, far)
    low: Floats = np.minimum(near, far)
    high: Floats = np.maximum(near, far)
    return low, high
