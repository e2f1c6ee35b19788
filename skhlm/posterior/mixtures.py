"""What a row's new observation can be: for each row a mixture over draws.

Given a draw, effects of levels that fit has not seen add N(0, v) to the row's expected value eta,
and a residual is a scale mixture of normal distributions (`families`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import erfcx, ndtri

from skhlm._typing import Bools, Floats, Ints
from skhlm.families.links import Link
from skhlm.families.residuals import Residuals, log_normal
from skhlm.numerics.blocks import blocks
from skhlm.numerics.quantiles import quantiles_of

_PILOT = 256  # components that find where to look with all of them
CHUNK = 2**17  # numbers of a working array that memory and cache keep ready
_CLOSE, _THERE = 0.02, 1e-9  # in standard normal units: a last step from close is exact to 1e-5
_STRAIGHT = 0.02  # share of that step that is not by Newton's method
_ROUNDING = 1e-9  # of how many draws are beyond a quantile
_NARROWEST = 1e-15  # relative width of brackets that hold no other number
_MAX_STEPS, _BISECT_EVERY = 100, 4
_TINY = float(np.finfo(np.float64).tiny)
# P(t) in erfc(x) = t exp(P(t) - x^2), t = 1 / (1 + x / 2), to 1e-7 of its value.
_ERFC = Chebyshev.interpolate(lambda t: np.log(erfcx(2 / t - 2) / t), 10, [0, 1])
_ERFC_COEFFICIENTS = _ERFC.convert(kind=Polynomial).coef.tolist()


class Distribution(ABC):
    """What rows' outcomes, expected values or linear predictors can be."""

    @abstractmethod
    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Where the distribution functions reach probabilities in (0, 1): (b, q)."""


class Outcomes(Distribution):
    """New observations of b rows, each a mixture over S draws; effects of new levels included."""

    @abstractmethod
    def log_density(self, y: Floats) -> Floats:
        """Log density of each draw at y (b,): (b, S)."""

    @abstractmethod
    def ends(self, y: Floats) -> Floats:
        """Probability of less than y (b,), and of at most y: (b, 2)."""

    @abstractmethod
    def crps(self, y: Floats) -> Floats:
        """Continuous ranked probability score of y (b,): (b,)."""

    @abstractmethod
    def variance(self) -> Floats:
        """Variance of each row's distribution, (b,)."""


@dataclass(frozen=True)
class Transformed(Distribution):
    """The inverse of a link, which is increasing, at what has other distributions."""

    link: Link
    of: Distribution

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """The inverse of the link at those of the others."""
        return self.link.inverse(self.of.quantiles(probabilities))


@dataclass(frozen=True)
class Mixture(Distribution):
    """Distributions of b rows, each a mixture over S draws of N(mean, variance) + residual.

    =============  ======  ===================================================================
    ``mean``       (b, S)
    ``variance``   (b, S)  of the effects of new levels
    ``residuals``          None for the expected value, which has none
    =============  ======  ===================================================================
    """

    mean: Floats
    variance: Floats
    residuals: Residuals | None

    @property
    def is_smooth(self) -> Bools:
        """Which rows have a density, (b,); the others have their draws alone."""
        return self.has_new | (self.residuals is not None)

    @property
    def has_new(self) -> Bools:
        """Which rows have a level that fit has not seen, and whose effect varies, (b,)."""
        return np.asarray(self.variance.any(axis=1))

    def log_density(self, y: Floats) -> Floats:
        """Log density of each draw at y (b,): (b, S)."""
        result = np.empty(self.mean.shape)
        for rows in blocks(len(y), CHUNK // self.mean.shape[1]):
            square = np.square(y[rows, None] - self.mean[rows])
            result[rows] = self._log_density(square, self.variance[rows])
        return result

    def _log_density(self, square: Floats, variance: Floats) -> Floats:
        """Log density of each draw at squared deviations from its mean, both (b, S)."""
        if self.residuals is None:
            return log_normal(square, variance)
        return self.residuals.log_density(square, variance)

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Of each row's density, or of its draws where it has none: (b, q).

        Raises
        ------
        ValueError
            Where there are draws alone, and not one of them is beyond a quantile.
        """
        smooth = self.is_smooth
        if not smooth.all():
            _check_reach(self.mean.shape[1], probabilities)
        result = np.empty((len(smooth), len(probabilities)))
        result[~smooth] = quantiles_of(self.mean[~smooth], probabilities)
        result[smooth] = self.some(smooth)._smooth_quantiles(probabilities)
        return result

    def cdf(self, y: Floats) -> Floats:
        """Probability of at most y (b,), where there is a density: (b,)."""
        probability: Floats = self._normals().tail(y, -1.0)[0]
        return probability

    def _smooth_quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Where the distribution functions of densities reach probabilities, (b, q)."""
        normals = self._normals()
        pilot = normals.thinned(_PILOT)
        centre, scale = self.mean.mean(axis=1), self._scale()
        result = np.empty((len(self.mean), len(probabilities)))
        for column, p in zip(result.T, probabilities, strict=True):
            side, tail = (-1.0, p) if p < 0.5 else (1.0, 1 - p)
            search = _Search(side, -float(ndtri(tail)), centre, scale)
            start = search.run(pilot, np.full(len(centre), search.target))
            column[:] = search.place(search.run(normals, start))
        return result

    def above_zero(self) -> Floats:
        """Probability of a value above zero, (b,), where there are no residuals."""
        sd = np.sqrt(self.variance)
        z = np.divide(self.mean, sd, out=np.where(self.mean > 0, np.inf, -np.inf), where=sd > 0)
        _, above = normal_tail(-z)
        probability: Floats = above.mean(axis=1)
        return probability

    def _normals(self) -> _Normals:
        """The same as normal distributions alone."""
        n = self.mean.shape[1]
        noise, weight = np.zeros(n), np.full(n, 1 / n)
        if self.residuals is not None:
            noise, weight = self.residuals.components
        n_each = len(weight) // n
        mean = self.mean if n_each == 1 else np.tile(self.mean, n_each)
        if self.has_new.any():
            noise = np.tile(self.variance, n_each) + noise
        precision = 1 / np.sqrt(np.maximum(noise, _TINY))
        return _Normals(mean, np.broadcast_to(precision, mean.shape), weight)

    def some(self, rows: Bools) -> Mixture:
        """The distributions of some rows."""
        return Mixture(self.mean[rows], self.variance[rows], self.residuals)

    def _scale(self) -> Floats:
        """Roughly how wide each row's distribution is, (b,)."""
        noise = 0.0 if self.residuals is None else self.residuals.size
        scale: Floats = np.sqrt(self.mean.var(axis=1) + self.variance.mean(axis=1) + noise)
        return scale


@dataclass(frozen=True)
class _Normals:
    """Mixtures of C normal distributions, one in each of b rows.

    =============  ======  =============================================
    ``mean``       (b, C)
    ``precision``  (b, C)  one over the standard deviation
    ``weight``     (C,)
    =============  ======  =============================================
    """

    mean: Floats
    precision: Floats
    weight: Floats

    def some(self, rows: Ints) -> _Normals:
        """The mixtures of some rows."""
        return _Normals(self.mean[rows], self.precision[rows], self.weight)

    def thinned(self, n_components: int) -> _Normals:
        """About so many evenly spaced components of each."""
        step = -(-len(self.weight) // n_components)
        mean, precision = (x[:, ::step].copy() for x in (self.mean, self.precision))
        weight = self.weight[::step]
        return _Normals(mean, precision, weight / weight.sum())

    def tail(self, at: Floats, side: float) -> Floats:
        """Probability beyond ``at`` (b,), below it for side -1; the density; its slope: (3, b).

        The slope is that away from the middle.
        """
        result = np.empty((3, len(at)))
        for rows in blocks(len(at), CHUNK // len(self.weight)):
            precision = self.precision[rows]
            z = at[rows, None] - self.mean[rows]
            z *= side
            z *= precision
            density, beyond = normal_tail(z)
            beyond *= self.weight
            result[0, rows] = beyond.sum(axis=1)
            density *= precision
            density *= self.weight / np.sqrt(2 * np.pi)
            result[1, rows] = density.sum(axis=1)
            z *= density
            z *= precision
            result[2, rows] = -z.sum(axis=1)
        return result


@dataclass(frozen=True)
class _Search:
    """Newton's method for a quantile in each row, on the standard normal scale and in brackets.

    ============  ====  ===================================================================
    ``side``            -1 for a quantile below the middle, 1 for one above
    ``target``          minus the standard normal quantile of the probability beyond it
    ``centre``    (b,)  the middle of each row
    ``scale``     (b,)  its width, the unit of distances from the middle
    ============  ====  ===================================================================
    """

    side: float
    target: float
    centre: Floats
    scale: Floats

    def run(self, mixture: _Normals, start: Floats) -> Floats:
        """How far outwards the probability beyond is what it should be, (b,), from a start."""
        at, rows = start.copy(), np.arange(len(start))
        low, high = np.full(at.shape, -np.inf), np.full(at.shape, np.inf)
        for n in range(1, _MAX_STEPS):
            x = at[rows]
            miss, move, bend = self._newton(mixture, rows, x)
            low[rows] = np.where(miss >= 0, x, low[rows])
            high[rows] = np.where(miss <= 0, x, high[rows])
            close = (np.abs(miss) < _CLOSE) & (np.abs(bend) < _STRAIGHT)
            others = _next(x, miss, move, low[rows], high[rows], n % _BISECT_EVERY == 0)
            there = np.abs(miss) < _THERE
            at[rows] = np.where(close, x + move, np.where(there, x, others))
            narrow = high[rows] - low[rows] < _NARROWEST * (1 + np.abs(x))
            rows = rows[~(close | there | narrow)]
            if not len(rows):
                break
        return at

    def place(self, x: Floats, rows: Ints | slice = slice(None)) -> Floats:
        """What lies so far outwards from the middle of some rows."""
        return self.centre[rows] + self.side * self.scale[rows] * x

    def _newton(self, mixture: _Normals, rows: Ints, x: Floats) -> tuple[Floats, Floats, Floats]:
        """How much farther out it should be in standard normal units, and the step that goes there.

        Chebyshev's third-order step for g = -ndtri(tail), of which g' = density / phi(g). Last the
        share of it that is due to the bend of g: small where g is nearly straight.
        """
        some = mixture if len(rows) == len(mixture.mean) else mixture.some(rows)
        scale = self.scale[rows]
        beyond, density, slope = some.tail(self.place(x, rows), self.side)
        with np.errstate(all="ignore"):  # a tail of 0 or 1, a density of 0: brackets take over
            g = -ndtri(np.minimum(beyond, 1.0))
            rise = density * scale * np.sqrt(2 * np.pi) * np.exp(0.5 * g**2)
            move = (self.target - g) / rise
            bend = 0.5 * move * (slope * scale / density + g * rise)
            move *= 1 - np.where(np.abs(bend) < 0.5, bend, 0.0)
        return self.target - g, move, bend


def _next(x: Floats, miss: Floats, move: Floats, low: Floats, high: Floats, bisect: bool) -> Floats:
    """Where to look after x: a step that stays in the bracket, or its middle."""
    reach = 1 + np.abs(x)
    known = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):
        middle = np.where(known, 0.5 * (low + high), x + np.sign(miss) * reach)
        candidate = x + np.clip(move, -2 * reach, 2 * reach)
    good = (candidate > low) & (candidate < high) & ~(bisect & known)
    return np.where(good, candidate, middle)


def normal_tail(z: Floats) -> tuple[Floats, Floats]:
    """exp(-z^2 / 2), and the probability that a standard normal is above z, of any shape.

    Several times faster than scipy.special.ndtr, which computes one number at a time.
    """
    t = np.abs(z)
    kernel = np.square(z)
    kernel *= -0.5
    np.exp(kernel, out=kernel)
    t *= np.sqrt(0.125)
    t += 1
    np.divide(1, t, out=t)
    power = np.full_like(t, _ERFC_COEFFICIENTS[-1])
    for coefficient in _ERFC_COEFFICIENTS[-2::-1]:
        power *= t
        power += coefficient
    np.exp(power, out=power)
    power *= kernel
    power *= t
    power *= 0.5
    np.subtract(1, power, out=power, where=z < 0)
    return kernel, power


def _check_reach(n_draws: int, probabilities: Sequence[float]) -> None:
    """Raise where quantiles are farther out than draws can tell."""
    outermost = min((min(p, 1 - p) for p in probabilities), default=0.5)
    if outermost * n_draws < min(1.0, n_draws / 2) * (1 - _ROUNDING):
        raise ValueError(
            f"{n_draws} draws of an expected value tell its quantiles from {1 / n_draws:.2g} to "
            f"{1 - 1 / n_draws:.6g}, as at least one draw must lie beyond: the largest coverage of "
            f"an interval is 1 - 2/{n_draws} = {max(1 - 2 / n_draws, 0):.6g}, and "
            f"{1 - 2 * outermost:.6g} was asked for. Ask for less, or fit with more draws "
            "(iter_sampling, chains; max_draws of compact). Intervals of new observations "
            "(kind='outcome') have no such bound."
        )
