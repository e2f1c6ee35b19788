"""The posterior of expected values of y where what was fitted is a logarithm of it.

With f(y) = eta + e, e ~ N(0, sigma), and y = c + a exp(b f(y)), in each draw

    E[y | x] = c + exp(b eta + b^2 sigma^2 / 2 + log a),

which is a model behind a logarithmic link whose coefficients are b times those that were fitted,
and whose intercept has the rest. All that is said of such models holds of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.families.location import SIGMA
from skhlm.families.log_normal import LogNormal
from skhlm.posterior.posterior import Coefficients, Posterior

_STEPS = np.arange(-4.0, 5.0)
_SAME = 1e-8  # relative difference between a transformation and an exponential one


@dataclass(frozen=True)
class Exponential:
    """y = shift + factor exp(rate z) of what was fitted, z; the factor is above zero."""

    shift: float
    factor: float
    rate: float

    @classmethod
    def through(cls, z: Floats, y: Floats) -> Exponential | None:
        """The one through outcomes y at nine equal steps of z; None where there is none."""
        rise = np.diff(y)
        if not (np.isfinite(y).all() and (rise != 0).all() and (rise[1:] / rise[:-1] > 0).all()):
            return None
        step = z[1] - z[0]
        rate = float(np.log(rise[-1] / rise[0])) / (step * (len(rise) - 1))
        if abs(rate * step) < _SAME:
            return None
        factor = float(rise.sum() / (np.exp(rate * (z[-1] - z[0])) - 1) * np.exp(-rate * z[0]))
        shift = float(np.mean(y - factor * np.exp(rate * z)))
        found = cls(shift if abs(shift) > _SAME * np.ptp(y) else 0.0, factor, rate)
        is_it = np.allclose(found.of(z), y, rtol=_SAME, atol=_SAME * np.abs(y).max())
        return found if is_it and factor > 0 else None

    def of(self, z: Floats) -> Floats:
        """Outcomes."""
        y: Floats = self.shift + self.factor * np.exp(self.rate * z)
        return y


def steps_about(posterior: Posterior, unit: float) -> Floats:
    """Nine values of what was fitted, a unit apart, about a typical one."""
    has_intercept = posterior.units.fit_intercept
    middle = float(posterior.mean.kappa[0, 0]) if has_intercept else 0.0
    steps: Floats = middle + unit * _STEPS
    return steps


def of_outcome(posterior: Posterior, back: Exponential) -> Posterior:
    """The posterior whose expected values are those of y, from that of normal residuals."""
    sigma = abs(back.rate) * posterior.auxiliary[SIGMA.name]
    lift = 0.5 * sigma**2 + np.log(back.factor)
    has_intercept = posterior.units.fit_intercept
    draws = _lifted(posterior.draws, back.rate, lift, has_intercept)
    mean = _lifted(posterior.mean, back.rate, lift.mean(keepdims=True), has_intercept)
    return replace(
        posterior,
        draws=draws,
        mean=mean,
        tau=tuple(abs(back.rate) * tau for tau in posterior.tau),
        auxiliary={SIGMA.name: sigma},
        family=LogNormal(back.shift),
        units=replace(posterior.units, fit_intercept=True),
        mode=None if posterior.mode is None else of_outcome(posterior.mode, back),
        sample=None,
    )


def _lifted(
    coefficients: Coefficients, rate: float, lift: Floats, has_intercept: bool
) -> Coefficients:
    """So many times the coefficients, and an intercept that is higher, or new, by ``lift`` (S,)."""
    lifted = coefficients.times(rate)
    kappa, varying = lifted.kappa, lifted.varying
    if has_intercept:
        kappa[0] += lift
    else:
        kappa = np.vstack([lift, kappa])
        varying = tuple(columns + 1 for columns in varying)
    return Coefficients(kappa, lifted.delta, varying)
