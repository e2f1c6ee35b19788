"""Student-t residuals as a mixture over draws and precisions of normal ones.

Such a residual is normal given its precision, lambda ~ Gamma(nu/2, nu/2). With N(0, v) added,

    r | draw, lambda ~ N(0, v + sigma^2 / lambda).

The integral over log lambda is a sum over equal steps (trapezoidal rule), whose error falls
exponentially with the step: with step h the density of a t distribution is off by a share of about
2 |Gamma(a + 2 pi i / h)| / Gamma(a), a = (nu + 1) / 2, wherever it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammainccinv, gammaincinv, gammaln

from skhlm._typing import Bools, Floats, Ints
from skhlm.families.residuals import Residuals

_STEP = 1.3  # of the rule, of the width of the gamma distribution
_LOST_BELOW, _LOST_ABOVE = 1e-4, 1e-6  # probabilities of lambda beyond all nodes
_FAR = 100.0  # (y - eta)^2 / sigma^2 beyond which there must be more nodes
_LOG_LARGEST = 700.0  # of which a float has the exponential
_MIN_COMPONENTS = 4000  # normal distributions for the quantiles
_RAREST, _TOP = 1e-9, 6.0  # probability of lambda below all of them; the highest, in widths
_GOLDEN = (np.sqrt(5) - 1) / 2
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class StudentTResiduals(Residuals):
    """Residuals sigma t_nu of S draws, ``nu`` (S,)."""

    nu: Floats

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
        half = self.nu / 2
        step = _STEP / np.sqrt(half + 2.1)
        top = np.log(gammainccinv(half + 0.5, _LOST_ABOVE) / half)
        bottom = np.log(np.maximum(gammaincinv(half, _LOST_BELOW) / half, _TINY))
        return half, step, top, bottom, half * np.log(half) - gammaln(half) + np.log(step)

    def log_density(self, square: Floats, variance: Floats) -> Floats:
        """By the rule above, to a relative error of the density below 1e-3."""
        farthest = (square / self.sigma**2).max(axis=1)
        near = farthest <= _FAR
        result = np.empty(square.shape)
        result[near] = _log_density_near(self, square[near], variance[near])
        result[~near] = _log_density_far(self, square[~near], variance[~near])
        result -= 0.5 * np.log(2 * np.pi)
        return result


def _log_density_near(residuals: StudentTResiduals, square: Floats, variance: Floats) -> Floats:
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


def _log_density_far(residuals: StudentTResiduals, square: Floats, variance: Floats) -> Floats:
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


def _spread_evenly(values: Floats) -> tuple[Floats, Bools]:
    """Shares in (0, 1) that are spread evenly among any neighbours by value, in two halves: (n,).

    Multiples of the golden ratio, one sequence for each half.
    """
    n = len(values)
    turn = np.empty(n, dtype=np.int64)
    turn[np.argsort(values, kind="stable")] = np.arange(n)
    return (0.5 + turn // 2 * _GOLDEN) % 1, turn % 2 == 0
