"""The mean of the logistic function over many normal distributions, fast.

The values at eta + u and eta - u are together 2 p + (1 - 2 p) m / (m + d), where

    p = 1 / (1 + exp(-eta)),    d = 4 cosh^2(eta / 2),    m = 4 sinh^2(u / 2),

so that a point of a trapezoidal rule needs no more than m, which follows from those of the points
before without an exponential. What is not p is below a half and averaged over draws: where these
are many, it is worked out in single precision, whose rounding errors the mean loses.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from skhlm._typing import Floats

_ERROR = 21.0  # of a rule, as minus its logarithm
_REACH = 5.1  # standard deviations from where the logistic function tilts the density to
_MANY, _SINGLE = 2**10, 1.5  # draws, and sd up to which single precision is enough


@dataclass(frozen=True)
class _Rule:
    """A trapezoidal rule for standard deviations up to ``widest``.

    Its error falls with the distance of the poles from the real line, pi / widest, and with the
    step by which the normal density alone is integrated.
    """

    widest: float

    @property
    def step(self) -> float:
        """In standard deviations."""
        pole = np.pi / self.widest
        step = 2 * np.pi * pole / (_ERROR + pole**2 / 2)
        longest = np.pi * np.sqrt(2 / _ERROR)
        return float(longest if 2 * np.pi / longest < pole else step)

    @property
    def weights(self) -> list[float]:
        """Of the points on one side of the middle."""
        step = self.step
        reach = _REACH + max(self.widest, 1.0)
        density = np.exp(-0.5 * np.square(np.arange(step, reach, step)))
        weights: list[float] = (density / (1 + 2 * density.sum())).tolist()
        return weights


WIDEST = 8.0
_RULES = tuple(map(_Rule, (0.5, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, WIDEST)))
_LIMITS = np.array([rule.widest**2 for rule in _RULES])


def logistic(eta: Floats) -> Floats:
    """1 / (1 + exp(-eta)), which overwrites eta."""
    with np.errstate(over="ignore"):
        np.exp(np.negative(eta, out=eta), out=eta)
    eta += 1
    return np.divide(1, eta, out=eta)


def average_of_logistic(eta: Floats, variance: Floats) -> Floats:
    """Mean over draws of that at eta + N(0, variance), (b,), of both (b, S), up to `WIDEST` wide.

    To 1e-8. A row has the rule for its widest draw, whatever the other rows have. Eta is
    overwritten.
    """
    average = np.empty(len(eta))
    which = np.searchsorted(_LIMITS, variance.max(axis=1))
    starts = np.flatnonzero(np.diff(which, prepend=-1))
    for start, end in pairwise([*starts.tolist(), len(eta)]):
        rows = slice(start, end)
        average[rows] = _average(eta[rows], variance[rows], _RULES[which[start]])
    return average


def _average(eta: Floats, variance: Floats, rule: _Rule) -> Floats:
    """The same by one rule."""
    single = eta.shape[1] >= _MANY and rule.widest <= _SINGLE
    # one array: memory taken bit by bit goes back to the system, and costs more than what it is for
    d, sd, *others = np.empty((7, *eta.shape), np.float32 if single else np.float64)
    with np.errstate(over="ignore", divide="ignore"):  # so far out nothing is missing to p
        odds = np.exp(np.negative(eta, out=eta), out=eta)
        sd[:] = odds
        np.divide(1, sd, out=d)
    d += sd
    d += 2
    odds += 1
    p = np.divide(1, odds, out=odds)
    sd[:] = variance
    share = _share(d, np.sqrt(sd, out=sd), rule, others)
    d[:] = p
    share *= np.subtract(0.5, d, out=d)
    average: Floats = p.mean(axis=1) + 2 * share.mean(axis=1, dtype=np.float64)
    return average


def _share(d: Any, sd: Any, rule: _Rule, others: list[Any]) -> Any:
    """Sum over points of weight x m / (m + d), of arrays of one shape; all are overwritten."""
    at, before, total, term, cosh = others
    sd *= rule.step / 2
    np.exp(sd, out=cosh)
    np.divide(1, cosh, out=term)
    np.subtract(cosh, term, out=at)
    cosh += term
    before[:] = total[:] = 0
    for weight in rule.weights:
        np.multiply(at, at, out=term)
        np.add(term, d, out=sd)
        term /= sd
        term *= weight
        total += term
        np.multiply(cosh, at, out=term)
        term -= before
        before, at, term = at, term, before
    return total
