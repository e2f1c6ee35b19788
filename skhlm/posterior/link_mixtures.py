"""New observations of families whose mean is a curve in eta: for each row a mixture over draws.

Given a draw, effects of levels that fit has not seen add u ~ N(0, v) to the row's eta. Densities
integrate u out by quadrature. Distribution functions are means over a sample of (draw, u) in which
every draw comes equally often, and u is spread evenly over any draws with neighbouring eta: its
error falls with the size of the sample and not with the root of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from skhlm._typing import Bools, Floats
from skhlm.families import LinkFamily
from skhlm.numerics.search import reach_positive, reach_whole
from skhlm.numerics.strata import golden
from skhlm.posterior.mixtures import Outcomes
from skhlm.posterior.new_effects import log_integral

_MIN_COMPONENTS = 2**14  # of the sample of draws and new effects
_TO_SCORE = 2**12  # of them for a score, which averages over many values of y
_PILOT = 256  # of them, which find where to look with all
_EVERY = 64  # whole numbers up to which the score looks at each
_TAIL = 1e-5  # elsewhere: probability beyond the points it looks at
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

    def cdf(self, y: Floats) -> Floats:
        """Probability of at most y (b,): (b,)."""
        return np.array([self._row(i).cdf(at) for i, at in enumerate(y.tolist())])

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Where the distribution functions reach probabilities in (0, 1): (b, q).

        Of discrete outcomes the smallest with at least this probability at or below it.
        """
        result = np.empty((len(self.eta), len(probabilities)))
        for i, row in enumerate(result):
            of_row = self._row(i)
            row[:] = [of_row.quantile(p) for p in probabilities]
        return result

    def crps(self, y: Floats) -> Floats:
        """Continuous ranked probability score of y (b,): (b,); see `_Row.crps`."""
        return np.array([self._row(i, _TO_SCORE).crps(at) for i, at in enumerate(y.tolist())])

    def variance(self) -> Floats:
        """Of the outcome given eta on average, and of its mean over draws and new effects: (b,).

        Infinite where it is too large for a number.
        """
        link, family, aux = self.family.link, self.family, self.auxiliary
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
            return _Row(self.family, self.auxiliary, eta)
        n_each = -(-at_least // n_draws)
        rank = np.empty(n_draws, dtype=np.int64)
        rank[np.argsort(eta, kind="stable")] = np.arange(n_draws)
        z = ndtri(golden(n_each * n_draws)).reshape(n_draws, n_each).T[:, rank]
        sample = (eta + np.sqrt(variance) * z).reshape(-1)
        return _Row(self.family, {k: np.tile(v, n_each) for k, v in self.auxiliary.items()}, sample)


@dataclass(frozen=True)
class _Row:
    """Distribution of one row, a mixture of C members of the family with ``eta`` (C,)."""

    family: LinkFamily
    auxiliary: dict[str, Floats]
    eta: Floats

    def cdf(self, y: float) -> float:
        """Probability of at most y."""
        return float(self.family.cdf(np.array([y]), self.eta, self.auxiliary).mean())

    def density(self, y: float) -> float:
        """Density, or probability, at y."""
        return float(
            np.exp(self.family.log_density(np.array([y]), self.eta, self.auxiliary)).mean()
        )

    def quantile(self, p: float) -> float:
        """Where the distribution function reaches p."""
        reach = reach_whole if self.family.is_discrete else reach_positive
        pilot = self._pilot()
        start = float(self.family.link.inverse(np.asarray(np.median(pilot.eta))))
        start = reach(pilot.cdf, pilot.density, p, start)
        return reach(self.cdf, self.density, p, start)

    def crps(self, y: float) -> float:
        """Integral of (F - 1{y <= t})^2 over t, of whole numbers the sum.

        Exact for whole numbers if there are few. Else F is taken to be straight between points,
        and what the score differs by from that of half the points tells how far it is off, to one
        in a thousand. A share is so many ones among trials, the score their average.
        """
        if self.family.is_discrete and y % 1:
            ones = y % 1
            return (1 - ones) * self.crps(np.floor(y)) + ones * self.crps(np.floor(y) + 1)
        points = self._points(y)
        at = np.array([self.cdf(t) for t in points])
        fine = self._straight(points, at, y)
        if self.family.is_discrete and points[-1] - points[0] < len(points):
            return fine
        half = np.isin(points, [y, y + 1, points[-1]])
        half[::2] = True
        return (4 * fine - self._straight(points[half], at[half], y)) / 3

    def _straight(self, points: Floats, at: Floats, y: float) -> float:
        """The score where F is straight between points (m,) with F ``at`` them."""
        width = np.diff(points)
        level, rise = at[:-1] - (points[:-1] >= y), np.diff(at)
        gap = 1 / width if self.family.is_discrete else np.zeros(len(width))
        first, second = (1 - gap) / 2, (1 - gap) * (2 - gap) / 6  # mean way into a cell, its square
        return float((width * (level**2 + 2 * level * rise * first + rise**2 * second)).sum())

    def _points(self, y: float) -> Floats:
        """Increasing points (m,) that reach into both tails; y is one of them."""
        pilot, whole = self._pilot(), self.family.is_discrete
        ends = [
            self.family.quantile(np.array([p]), pilot.eta, pilot.auxiliary)
            for p in (_TAIL, 1 - _TAIL)
        ]
        low, high = ends[0].min(), ends[1].max()
        if whole and high - low <= _EVERY:
            return np.arange(min(low, y), max(high, y) + 2)
        order = np.argsort(pilot.eta, kind="stable")
        u = golden(len(order) * -(-_PILOT // len(order))).reshape(len(order), -1).T
        aux = {name: values[order] for name, values in pilot.auxiliary.items()}
        typical = self.family.quantile(u, pilot.eta[order], aux)
        inner = np.quantile(typical, np.sin(np.linspace(0, np.pi / 2, _CELLS + 1)) ** 2)
        points = np.r_[
            np.linspace(low, inner[0], _OUTER),
            inner,
            np.linspace(inner[-1], high, _OUTER),
            y,
            y + 1,
        ]
        return np.unique(np.floor(points) if whole else points)

    def _pilot(self) -> _Row:
        """About so many evenly spaced components of it."""
        some = slice(None, None, max(len(self.eta) // _PILOT, 1))
        return _Row(
            self.family,
            {name: values[some] for name, values in self.auxiliary.items()},
            self.eta[some],
        )
