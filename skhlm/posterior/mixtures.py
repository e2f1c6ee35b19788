"""What a row's new observation can be: for each row a mixture over draws of normal distributions.

Given a draw, effects of levels that fit has not seen add N(0, v) to the row's expected value eta.
A Student-t residual is normal given its precision, lambda ~ Gamma(nu/2, nu/2), so that

    y | draw, lambda ~ N(eta, v + sigma^2 / lambda).

The integral over log lambda is a sum over equal steps (trapezoidal rule), whose error falls
exponentially with the step: with step h the density of a t distribution is off by a share of about
2 |Gamma(a + 2 pi i / h)| / Gamma(a), a = (nu + 1) / 2, wherever it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import erfcx, gammainccinv, gammaincinv, gammaln, ndtri

from skhlm._typing import Bools, Floats, Ints
from skhlm.numerics.blocks import blocks

_STEP = 1.3  # of the rule, of the width of the gamma distribution
_LOST_BELOW, _LOST_ABOVE = 1e-4, 1e-6  # probabilities of lambda beyond all nodes
_FAR = 100.0  # (y - eta)^2 / sigma^2 beyond which there must be more nodes
_LOG_LARGEST = 700.0  # of which a float has the exponential
_MIN_COMPONENTS = 4000  # normal distributions for the quantiles of Student-t residuals
_RAREST, _TOP = 1e-9, 6.0  # probability of lambda below all of them; the highest, in widths
_GOLDEN = (np.sqrt(5) - 1) / 2
_PILOT = 256  # components that find where to look with all of them
CHUNK = 2**14  # numbers of a working array that memory and cache keep ready
_CLOSE, _THERE = 0.02, 1e-9  # in standard normal units: a last step from close is exact to 1e-5
_STRAIGHT = 0.02  # share of that step that is not by Newton's method
_ROUNDING = 1e-15  # relative width of brackets that hold no other number
_MAX_STEPS, _BISECT_EVERY = 100, 4
_TINY = float(np.finfo(np.float64).tiny)
# P(t) in erfc(x) = t exp(P(t) - x^2), t = 1 / (1 + x / 2), to 1e-7 of its value.
_ERFC = Chebyshev.interpolate(lambda t: np.log(erfcx(2 / t - 2) / t), 10, [0, 1])
_ERFC_COEFFICIENTS = _ERFC.convert(kind=Polynomial).coef.tolist()


@dataclass(frozen=True)
class Residuals:
    """Residuals of S draws: scales ``sigma`` (S,), and ``nu`` (S,) or None for normal ones."""

    sigma: Floats
    nu: Floats | None

    @cached_property
    def components(self) -> tuple[Floats, Floats]:
        """Variances and weights (M S,) of normal residuals that together are distributed as these.

        Each draw has M values of log lambda, `_MIN_COMPONENTS` in all at least: one half of them
        about 0, from a Cauchy distribution as wide as the gamma distribution, the other evenly
        down to where the probability below is about 1e-9. So both the middle and the tails have
        many components, with weights that make up for it.
        """
        n = len(self.sigma)
        n_each = -(-_MIN_COMPONENTS // n)
        if self.nu is None:
            return self.sigma**2, np.full(n, 1 / n)
        half, sigma = np.tile(self.nu / 2, n_each), np.tile(self.sigma, n_each)
        width = 1 / np.sqrt(half + 0.5)
        bottom = (gammaln(half + 1) + np.log(_RAREST)) / half - np.log(half)
        ends = np.arctan([bottom / width, np.full(len(half), _TOP)])
        share, even = _spread_evenly(half)
        u = np.where(even, width * np.tan(ends[0] + share * np.ptp(ends, axis=0)), share * bottom)
        cauchy = width / (np.square(width) + np.square(u)) / np.ptp(ends, axis=0)
        weight = np.exp(half * (u - np.exp(u)) + half * np.log(half) - gammaln(half))
        weight /= cauchy - (u < 0) / bottom
        return sigma**2 * np.exp(-u), weight / weight.sum()

    def nodes(self, farthest: Floats) -> Iterator[tuple[int, Floats, Floats]]:
        """Log weights and variances (S,) of the rule's nodes, and for how many rows they matter.

        ``farthest`` (n,), decreasing, is the largest squared residual over sigma in each row: the
        farther out, the smaller the lambda that count.
        """
        half, step, top, bottom, constant = self._rule
        n_rows, m = len(farthest), 0
        while n_rows:
            u = top - m * step
            yield n_rows, constant + half * (u - np.exp(u)), self.sigma**2 * np.exp(-u)
            m += 1
            reach = np.exp(np.minimum(bottom - top + m * step, _LOG_LARGEST))
            n_rows = int(np.count_nonzero(farthest > (2 * half * (reach - 1)).min()))

    @cached_property
    def near_nodes(self) -> tuple[Ints, list[tuple[Floats, Floats]]]:
        """An order of the draws; weights and variances of the nodes that matter in the middle.

        Each node is one of the first so many draws alone: the smaller nu, the more nodes.
        """
        half, step, top, bottom, constant = self._rule
        n_nodes = np.ceil((top - bottom + np.log1p(_FAR / (2 * half))) / step).astype(np.int64)
        order = np.argsort(-n_nodes, kind="stable")
        nodes = []
        for m in range(n_nodes.max()):
            some = order[: np.count_nonzero(n_nodes > m)]
            u = top[some] - m * step[some]
            log_weight = constant[some] + half[some] * (u - np.exp(u))
            nodes.append((np.exp(log_weight), self.sigma[some] ** 2 * np.exp(-u)))
        return order, nodes

    @cached_property
    def _rule(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """nu / 2, the step of the rule, its ends for residuals near 0, what weights share: (S,)."""
        half = np.asarray(self.nu) / 2
        step = _STEP / np.sqrt(half + 2.1)
        top = np.log(gammainccinv(half + 0.5, _LOST_ABOVE) / half)
        bottom = np.log(np.maximum(gammaincinv(half, _LOST_BELOW) / half, _TINY))
        return half, step, top, bottom, half * np.log(half) - gammaln(half) + np.log(step)


@dataclass(frozen=True)
class Mixture:
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
        if self.residuals is None or self.residuals.nu is None:
            variance = variance + (0.0 if self.residuals is None else self.residuals.sigma**2)
            density: Floats = -0.5 * (square / variance + np.log(2 * np.pi * variance))
            return density
        farthest = (square / self.residuals.sigma**2).max(axis=1)
        near = farthest <= _FAR
        result = np.empty(square.shape)
        result[near] = _log_density_near(self.residuals, square[near], variance[near])
        result[~near] = _log_density_far(self.residuals, square[~near], variance[~near])
        result -= 0.5 * np.log(2 * np.pi)
        return result

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Where the distribution functions reach probabilities in (0, 1): (b, q)."""
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
        noise = 0.0 if self.residuals is None else np.mean(self.residuals.sigma**2)
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
            narrow = high[rows] - low[rows] < _ROUNDING * (1 + np.abs(x))
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


def _log_density_near(residuals: Residuals, square: Floats, variance: Floats) -> Floats:
    """Log density where no squared deviation (b, S) is far out, but for the constant."""
    order, nodes = residuals.near_nodes
    total = np.zeros(square.shape)
    exponent, variance = -0.5 * square[:, order], variance[:, order]
    for weight, noise in nodes:
        n = len(weight)
        precision = variance[:, :n] + noise
        np.divide(1, precision, out=precision)
        density = exponent[:, :n] * precision
        np.exp(density, out=density)
        density *= np.sqrt(precision, out=precision)
        density *= weight
        total[:, :n] += density
    result = np.empty(square.shape)
    result[:, order] = np.log(total, out=total)
    return result


def _log_density_far(residuals: Residuals, square: Floats, variance: Floats) -> Floats:
    """The same anywhere, without underflow; the farther out, the more nodes."""
    farthest = (square / residuals.sigma**2).max(axis=1)
    order = np.argsort(-farthest, kind="stable")
    square, variance = square[order], variance[order]
    largest, total = np.full(square.shape, -np.inf), np.zeros(square.shape)
    for n, log_weight, noise in residuals.nodes(farthest[order]):
        _add_normal(largest[:n], total[:n], log_weight, square[:n], variance[:n] + noise)
    result = np.empty(square.shape)
    result[order] = largest + np.log(total)
    return result


def _add_normal(
    largest: Floats, total: Floats, log_weight: Floats, square: Floats, variance: Floats
) -> None:
    """Add exp(log_weight - square / 2 variance) / sqrt(variance) to total exp(largest), in place.

    Sums keep their range, as ``largest`` follows the largest exponent.
    """
    precision = np.divide(1, variance, out=variance)
    exponent = square * precision
    exponent *= -0.5
    exponent += log_weight
    now = np.maximum(largest, exponent)
    largest -= now
    total *= np.exp(largest, out=largest)
    largest[:] = now
    exponent -= now
    np.exp(exponent, out=exponent)
    exponent *= np.sqrt(precision, out=precision)
    total += exponent


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


def _spread_evenly(values: Floats) -> tuple[Floats, Bools]:
    """Shares in (0, 1) that are spread evenly among any neighbours by value, in two halves: (n,).

    Multiples of the golden ratio, one sequence for each half.
    """
    n = len(values)
    turn = np.empty(n, dtype=np.int64)
    turn[np.argsort(values, kind="stable")] = np.arange(n)
    return (0.5 + turn // 2 * _GOLDEN) % 1, turn % 2 == 0
