"""New observations of families whose mean is a curve in eta: for each row a mixture over draws.

Given a draw, effects of levels that fit has not seen add u ~ N(0, v) to the row's eta. Densities
integrate u out by quadrature, and a trial has its expected value for a distribution. Others'
distribution functions are means over a sample of (draw, u) in which every draw comes equally often,
and u is spread evenly over any draws with neighbouring eta: its error falls with the size of the
sample and not with the root of it. Where that is faster, they are looked up in a table or worked
out from few components that stand for all: the values are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import ndtri

from skhlm._typing import Bools, Floats
from skhlm.families import LinkFamily
from skhlm.numerics.search import reach_positive, reach_whole
from skhlm.numerics.strata import golden
from skhlm.posterior.condensed import Components
from skhlm.posterior.count_tables import CountTable
from skhlm.posterior.mixtures import Outcomes
from skhlm.posterior.new_effects import log_integral

_MIN_COMPONENTS = 2**14  # of the sample of draws and new effects
_TO_SCORE = 2**12  # of them for a score, which averages over many values of y
_LOOKS = 12  # at a distribution function until a quantile is found
_PILOT = 256  # of them, which find where to look with all
_EVERY = 64  # whole numbers below which a table is faster than one look
_NOTHING = 1e-11  # probability beyond a table for the score
_LEAST = float(np.finfo(np.float64).tiny)  # positive number
_ENDS = 1e-5, 1 - 1e-5  # elsewhere: probability below the first and the last point
_FAR_OUT, _DOUBTFUL = 1e-4, 1e-9  # probability that is left, distance from one, for all draws
_CELLS, _OUTER = 32, 17  # how many of these there are in the middle, and in either tail


@dataclass(frozen=True)
class LinkMixture(Outcomes):
    """Distributions of b rows, each a mixture over S draws.

    =============  ======  ===================================================================
    ``auxiliary``          parameters of the family, (S,) each
    ``eta``        (b, S)
    ``spread``     (b, S)  variance of the effects of new levels
    =============  ======  ===================================================================
    """

    family: LinkFamily
    auxiliary: dict[str, Floats]
    eta: Floats
    spread: Floats

    @property
    def has_new(self) -> Bools:
        """Which rows have a level that fit has not seen, and whose effect varies, (b,)."""
        return np.asarray(self.spread.any(axis=1))

    def log_density(self, y: Floats) -> Floats:
        """Log density of each draw at y (b,): (b, S)."""
        density, new, aux = np.empty(self.eta.shape), self.has_new, self.auxiliary
        density[~new] = self.family.log_density(y[~new, None], self.eta[~new], aux)
        density[new] = log_integral(self.family, aux, y[new], self.eta[new], self.spread[new])
        return density

    def ends(self, y: Floats) -> Floats:
        """Probability of less than y (b,), and of at most y: (b, 2)."""
        if self.family.is_binary:
            zero = self._probability(-1.0)
            return np.column_stack([np.where(y > 0, zero, 0.0), np.where(y < 1, zero, 1.0)])
        return np.array([self._row(i).ends(at) for i, at in enumerate(y.tolist())]).reshape(-1, 2)

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Where the distribution functions reach probabilities in (0, 1): (b, q).

        Of discrete outcomes the smallest with at least this probability at or below it.
        """
        if self.family.is_binary:
            return (self._probability(-1.0)[:, None] < np.asarray(probabilities)).astype(np.float64)
        result = np.empty((len(self.eta), len(probabilities)))
        for i, row in enumerate(result):
            row[:] = self._row(i).quantiles(probabilities)
        return result

    def crps(self, y: Floats) -> Floats:
        """Continuous ranked probability score of y (b,): (b,); see `_Row.crps`.

        A share is so many ones among trials, the score their average.
        """
        if self.family.is_binary:
            zero = self._probability(-1.0)
            return (1 - y) * np.square(1 - zero) + y * np.square(zero)
        return np.array([self._row(i, _TO_SCORE).crps(at) for i, at in enumerate(y.tolist())])

    def _probability(self, sign: float) -> Floats:
        """Probability of a success in a trial, or with sign -1 of none: (b,)."""
        chance, new, link = np.empty(len(self.eta)), self.has_new, self.family.link
        chance[~new] = link.average(sign * self.eta[~new])
        chance[new] = link.averaging_over_normal()(sign * self.eta[new], self.spread[new])
        return chance

    def variance(self) -> Floats:
        """Of the outcome given eta on average, and of its mean over draws and new effects: (b,).

        Infinite where it is too large for a number.
        """
        link, family, aux = self.family.link, self.family, self.auxiliary
        if family.is_binary:
            return self._probability(1.0) * self._probability(-1.0)
        result = np.empty(len(self.eta))
        with np.errstate(over="ignore", invalid="ignore"):
            for i, (eta, spread) in enumerate(zip(self.eta, self.spread, strict=True)):
                mean = link.mean_over_normal(eta, spread)
                within = family.variance_over_normal(eta, spread, aux)
                within = within + link.variance_over_normal(eta, spread)
                result[i] = within.mean() + np.square(mean - mean.mean()).mean()
        return np.where(np.isnan(result), np.inf, result)

    def _row(self, i: int, at_least: int = _MIN_COMPONENTS) -> _Row:
        """The distribution of one row, from a sample of draws and of its new effect."""
        eta, variance, n_draws = self.eta[i], self.spread[i], self.eta.shape[1]
        if not variance.any():
            return _Row(Components.even(self.family, eta, self.auxiliary))
        n_each = -(-at_least // n_draws)
        rank = np.empty(n_draws, dtype=np.int64)
        rank[np.argsort(eta, kind="stable")] = np.arange(n_draws)
        sample = (eta + np.sqrt(variance) * _spread(n_draws, n_each)[:, rank]).reshape(-1)
        auxiliary = {name: np.tile(values, n_each) for name, values in self.auxiliary.items()}
        return _Row(Components.even(self.family, sample, auxiliary))


@lru_cache(maxsize=2)
def _spread(n_draws: int, n_each: int) -> Floats:
    """Standard normal numbers, so many of each draw, (n_each, n_draws), see `golden`."""
    z: Floats = ndtri(golden(n_each * n_draws)).reshape(n_draws, n_each).T
    return z


@dataclass(frozen=True)
class _Row:
    """Distribution of one row."""

    draws: Components

    @cached_property
    def table(self) -> CountTable | None:
        """Of small counts."""
        recursion = self.draws.family.recursion(self.draws.eta, self.draws.auxiliary)
        return None if recursion is None else CountTable.of(recursion)

    @cached_property
    def few(self) -> Components:
        """What is faster than all draws where it is looked at more than once."""
        return self.draws.condensed(_LOOKS)

    @cached_property
    def pilot(self) -> Components:
        """Some of the draws."""
        return self.draws.thinned(_PILOT)

    def ends(self, y: float) -> list[float]:
        """Probability of less than y, and of at most y."""
        if not self.draws.family.is_discrete:
            return [self.draws.cdf(y)] * 2
        if self.table is not None and y < _EVERY:
            return [0.0, *self.table.up_to(y).tolist()][-2:]
        below: list[float] = self.few.cdf_at(np.array([y - 1, y])).tolist()
        return below

    def quantiles(self, probabilities: Sequence[float]) -> list[float]:
        """Where the distribution function reaches probabilities."""
        below = None if self.table is None else self.table.reaching(max(probabilities))
        if below is not None and below[-1] >= max(probabilities):
            return [float(np.searchsorted(below, p)) for p in probabilities]
        return [self._search(p) for p in probabilities]

    def _search(self, p: float) -> float:
        """Where it reaches one: some of the draws, then few components find where to look."""
        family, few, exact = self.draws.family, self.few, min(p, 1 - p) < _FAR_OUT

        def cdf(y: float) -> float:
            value = few.cdf(y)
            return self.draws.cdf(y) if abs(value - p) < _DOUBTFUL else value

        pilot = self.pilot
        if not family.is_discrete:
            at = float(np.median(family.quantile(np.array([p]), pilot.eta, pilot.auxiliary)))
            at = max(at, _LEAST)
            at = reach_positive(few.cdf, few.density, p, at)
            return reach_positive(self.draws.cdf, self.draws.density, p, at) if exact else at
        at = float(family.link.inverse(np.asarray(np.median(pilot.eta))))
        at = reach_whole(pilot.cdf, pilot.density, p, at)
        return reach_whole(self.draws.cdf if exact else cdf, few.density, p, at)

    def crps(self, y: float) -> float:
        """Integral of (F - 1{y <= t})^2 over t, of whole numbers the sum.

        Exact for whole numbers that have a table. Else F is taken to be straight between points,
        and what the score differs by from that of half the points tells how far it is off, to one
        in a thousand.
        """
        below = None if self.table is None else self.table.reaching(1 - _NOTHING)
        if below is not None and below[-1] >= 1 - _NOTHING:
            beyond = max(y - len(below), 0.0)
            return float(np.square(below - (np.arange(len(below)) >= y)).sum() + beyond)
        points = self._points(y)
        at = self.draws.condensed(len(points)).cdf_at(points)
        fine = self._straight(points, at, y)
        half = np.isin(points, [y, y + 1, points[-1]])
        half[::2] = True
        return (4 * fine - self._straight(points[half], at[half], y)) / 3

    def _straight(self, points: Floats, at: Floats, y: float) -> float:
        """The score where F is straight between points (m,) with F ``at`` them."""
        width = np.diff(points)
        level, rise = at[:-1] - (points[:-1] >= y), np.diff(at)
        gap = 1 / width if self.draws.family.is_discrete else np.zeros(len(width))
        first, second = (1 - gap) / 2, (1 - gap) * (2 - gap) / 6  # mean way into a cell, its square
        return float((width * (level**2 + 2 * level * rise * first + rise**2 * second)).sum())

    def _points(self, y: float) -> Floats:
        """Increasing points (m,) that reach into both tails; y is one of them."""
        pilot, family = self.pilot, self.draws.family
        ends = [family.quantile(np.array([p]), pilot.eta, pilot.auxiliary) for p in _ENDS]
        order = np.argsort(pilot.eta, kind="stable")
        u = golden(len(order) * -(-_PILOT // len(order))).reshape(len(order), -1).T
        aux = {name: values[order] for name, values in pilot.auxiliary.items()}
        typical = family.quantile(u, pilot.eta[order], aux)
        inner = np.quantile(typical, np.sin(np.linspace(0, np.pi / 2, _CELLS + 1)) ** 2)
        points = np.r_[
            np.linspace(ends[0].min(), inner[0], _OUTER),
            inner,
            np.linspace(inner[-1], ends[1].max(), _OUTER),
            y,
            y + 1,
        ]
        return np.unique(np.floor(points) if family.is_discrete else points)
