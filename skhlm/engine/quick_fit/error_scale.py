"""Calibrating sigma and nu from widened squared residuals, effects taken as known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, logsumexp

from skhlm._typing import Floats
from skhlm.engine.problem import LocationScale, Priors
from skhlm.numerics.grids import Interval, home_in, log_prior, quantiles
from skhlm.numerics.scale_maps import NARROWEST, TAIL, match_quantiles

_BIN = 0.05  # of log squared residuals: their distribution is all the likelihood sees


@dataclass(frozen=True)
class SquaredErrors:
    """Distribution of the squared errors: values (B,) and how many rows have each, (B,)."""

    value: Floats
    count: Floats


@dataclass(frozen=True)
class ErrorScale:
    """Posterior of log(sigma - sigma_min) and log(nu - 1).

    ``log_nu`` (3,) 5/50/95% points, None for the normal family; ``log_sigma`` (3,) the coefficients
    of `scale_maps.slanted`: its mean at the median nu, its sd given nu, its slope on z_nu.
    """

    log_sigma: Floats
    log_nu: Floats | None
    sigma_min: float

    @property
    def centre(self) -> Floats:
        """log sigma at the centre of its map, ()."""
        centre: Floats = np.log(self.sigma_min + np.exp(self.log_sigma[0]))
        return centre


def bin_errors(squared: Floats, weight: Floats, floor: float) -> SquaredErrors:
    """Squared errors in narrow bins of their logarithm, each represented by its mean."""
    squared = np.maximum(squared, floor)
    bins = np.floor(np.log(squared / floor) / _BIN).astype(np.int64)
    count: Floats = np.bincount(bins, weight).astype(np.float64, copy=False)
    total = np.bincount(bins, weight * squared)
    full = count > 0
    return SquaredErrors(total[full] / count[full], count[full])


def error_scale(
    errors: SquaredErrors, priors: Priors, student: bool, start: ErrorScale, n: int
) -> ErrorScale:
    """Posterior of the error's scale on a grid of n points an axis, beginning around ``start``."""
    if student:
        return _student_scale(errors, priors, start, n)
    (log_sigma,), density = home_in(
        lambda x: _log_normal(errors, x, priors.sigma, start.sigma_min), [_sigma_box(start)], n
    )
    middle, width, _ = match_quantiles(quantiles(log_sigma, density))
    return replace(start, log_sigma=np.array([middle, width, 0.0]))


def median_nu(scale: ErrorScale) -> Floats | None:
    """Median of log(nu - 1), () ; None for the normal family."""
    return None if scale.log_nu is None else scale.log_nu[1]


def nu_map(scale: ErrorScale) -> Floats:
    """Coefficients (3,) of the bent map of log(nu - 1); of no use, and harmless, without a nu."""
    return np.array([0.0, 1.0, 0.0]) if scale.log_nu is None else match_quantiles(scale.log_nu)


def vague_scale(sigma: float, student: bool, sigma_min: float = 0.0) -> ErrorScale:
    """Nothing known but the order of magnitude of sigma."""
    log_nu = np.log([0.3, 7.0, 300.0]) if student else None
    return ErrorScale(np.array([np.log(sigma), 0.5, 0.0]), log_nu, sigma_min)


def _student_scale(errors: SquaredErrors, priors: Priors, start: ErrorScale, n: int) -> ErrorScale:
    """The same for Student-t errors, jointly with nu."""
    assert start.log_nu is not None
    low, middle, high = start.log_nu
    nu_box = (3 * low - 2 * middle, 3 * high - 2 * middle)
    (log_nu, log_sigma), density = home_in(
        lambda u, x: _log_student(errors, u, x, priors, start.sigma_min),
        [nu_box, _sigma_box(start)],
        n,
    )
    nu_tails = quantiles(log_nu, logsumexp(density, axis=1))
    given_nu = np.exp(density - density.max(axis=1, keepdims=True))
    given_nu /= given_nu.sum(axis=1, keepdims=True)
    mean = given_nu @ log_sigma
    sd = np.sqrt((given_nu * np.square(log_sigma - mean[:, None])).sum(axis=1))
    at_low, at_middle, at_high = np.interp(nu_tails, log_nu, mean)
    width = max(np.interp(nu_tails[1], log_nu, sd), NARROWEST)
    log_sigma = np.array([at_middle, width, (at_high - at_low) / (2 * TAIL)])
    return replace(start, log_sigma=log_sigma, log_nu=nu_tails)


def _sigma_box(start: ErrorScale) -> Interval:
    """Six sds of log sigma about its start."""
    middle, sd, lean = start.log_sigma
    reach = 6 * float(np.hypot(sd, lean))
    return float(middle) - reach, float(middle) + reach


def _log_normal(
    errors: SquaredErrors, log_excess: Floats, prior: LocationScale, sigma_min: float
) -> Floats:
    """Log density (n,) of log(sigma - sigma_min) given the squared errors."""
    total = errors.value @ errors.count
    log_sigma = np.log(sigma_min + np.exp(log_excess))
    log_likelihood = -errors.count.sum() * log_sigma - 0.5 * total * np.exp(-2 * log_sigma)
    density: Floats = log_likelihood + log_prior(prior, log_sigma) + log_excess - log_sigma
    return density


def _log_student(
    errors: SquaredErrors, log_nu: Floats, log_excess: Floats, priors: Priors, sigma_min: float
) -> Floats:
    """Log density of (log(nu - 1), log(sigma - sigma_min)), (n, n), given the squared errors."""
    log_sigma = np.log(sigma_min + np.exp(log_excess))
    nu = 1 + np.exp(log_nu)
    half = 0.5 * (nu + 1)
    q = errors.value / (nu * np.exp(2 * log_sigma))[..., None]
    constant = gammaln(half) - gammaln(0.5 * nu) - 0.5 * np.log(nu) - log_sigma
    log_likelihood = errors.count.sum() * constant - half * (np.log1p(q) @ errors.count)
    shape, rate = priors.nu
    log_prior_nu = (shape - 1) * np.log(nu) - rate * nu + log_nu
    log_prior_sigma = log_prior(priors.sigma, log_sigma) + log_excess - log_sigma
    total: Floats = log_likelihood + log_prior_nu + log_prior_sigma
    return total
