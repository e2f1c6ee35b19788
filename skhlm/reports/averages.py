"""Weighted means over rows of expected values, of their slopes and of their differences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from skhlm._typing import Floats, Ints
from skhlm.numerics.quantiles import central
from skhlm.posterior import prediction
from skhlm.posterior.mixtures import Mixture
from skhlm.posterior.posterior import Coefficients, Posterior
from skhlm.reports import curves
from skhlm.reports.curves import Scale

_SAME = 1e-9  # of the largest: difference that rounding makes


@dataclass(frozen=True)
class Sets:
    """Rows of which means are taken, set after set.

    ===========  ======  ==================================================
    ``order``    (r,)    the rows, those of a set one after another
    ``starts``   (m,)    where in it each set begins
    ``weights``  (r,)    of the rows in that order; they add to 1 in a set
    ===========  ======  ==================================================
    """

    order: Ints
    starts: Ints
    weights: Floats

    @classmethod
    def of(cls, rows: Ints, numbers: Ints, weight: Floats) -> Sets:
        """Of some rows, the number of each one's set, of 0, ..., m - 1, and its weight above 0."""
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        shares = weight / np.bincount(numbers, weight)[numbers]
        return cls(rows[order], starts, shares[order])

    def means(self, values: Floats) -> Floats:
        """Of each set, (m, ...), from values of rows (n, ...)."""
        weights = self.weights.reshape(-1, *[1] * (values.ndim - 1))
        means: Floats = np.add.reduceat(values[self.order] * weights, self.starts, axis=0)
        return means


class Estimand(ABC):
    """What of each row is averaged."""

    @abstractmethod
    def some(self, rows: Ints) -> Estimand:
        """That of some rows."""

    @abstractmethod
    def mean(self, posterior: Posterior) -> Floats:
        """Its posterior mean, effects of new levels integrated out: (n,)."""

    @abstractmethod
    def draws(self, posterior: Posterior, coefficients: Coefficients, levels: Ints) -> Floats:
        """Draws of it, (n, S), given coefficients that have all levels of the rows."""


@dataclass(frozen=True)
class Prediction(Estimand):
    """E[y | x], or eta, at predictors X (n, p) and levels ``codes`` (n, G)."""

    X: Floats
    codes: Ints
    kind: Scale

    def some(self, rows: Ints) -> Prediction:
        """Of these predictors and levels."""
        return Prediction(self.X[rows], self.codes[rows], self.kind)

    def mean(self, posterior: Posterior) -> Floats:
        """What `predict` says."""
        is_link = self.kind == "link"
        mean = prediction.linear_predictor if is_link else prediction.expected_value
        return mean(posterior, self.X, self.codes)

    def draws(self, posterior: Posterior, coefficients: Coefficients, levels: Ints) -> Floats:
        """The inverse of the link at eta."""
        eta = coefficients.expected_value(posterior.units.centred(self.X), levels)
        return eta if self.kind == "link" else posterior.family.link.inverse(eta)


@dataclass(frozen=True)
class Difference(Estimand):
    """One less another, of the same rows with other predictors."""

    end: Prediction
    start: Prediction

    def some(self, rows: Ints) -> Difference:
        """Of both."""
        return Difference(self.end.some(rows), self.start.some(rows))

    def mean(self, posterior: Posterior) -> Floats:
        """That of one less that of the other."""
        return self.end.mean(posterior) - self.start.mean(posterior)

    def draws(self, posterior: Posterior, coefficients: Coefficients, levels: Ints) -> Floats:
        """Draw by draw, so that what both have in common cancels."""
        return self.end.draws(posterior, coefficients, levels) - self.start.draws(
            posterior, coefficients, levels
        )


@dataclass(frozen=True)
class Slope(Estimand):
    """The rate of E[y | x], or of eta, where predictors X have ``rates``, both (n, p)."""

    X: Floats
    rates: Floats
    codes: Ints
    kind: Scale

    def some(self, rows: Ints) -> Slope:
        """Of these predictors, rates and levels."""
        return Slope(self.X[rows], self.rates[rows], self.codes[rows], self.kind)

    def mean(self, posterior: Posterior) -> Floats:
        """By the chain rule in each draw; exactly linear in the mean coefficients where it is."""
        Z, rates = (
            curves.Points(z[:, None], self.codes)
            for z in (posterior.units.centred(self.X), self._rates(posterior))
        )
        return curves.mean_slopes(posterior, Z, rates, self.kind)[:, 0]

    def draws(self, posterior: Posterior, coefficients: Coefficients, levels: Ints) -> Floats:
        """The link's derivative at eta times eta's rate."""
        rate = coefficients.expected_value(self._rates(posterior), levels)
        link = posterior.family.link
        if self.kind == "link" or link.linear:
            return rate
        eta = coefficients.expected_value(posterior.units.centred(self.X), levels)
        rate *= link.derivative(eta)
        return rate

    def _rates(self, posterior: Posterior) -> Floats:
        """Of Z, which may have a column for the intercept before the predictors."""
        fixed = np.zeros((len(self.rates), int(posterior.units.fit_intercept)))
        return np.hstack([fixed, self.rates])


@dataclass(frozen=True)
class Averages:
    """Means over each of m sets: exact posterior ``mean`` (m,), and ``draws`` (m, S)."""

    mean: Floats
    draws: Floats

    @classmethod
    def of(
        cls, estimand: Estimand, posterior: Posterior, codes: Ints, new_levels: Ints, sets: Sets
    ) -> Averages:
        """Over rows of these levels, where rows of one new level share its effects."""
        draws = draws_of_means(estimand, posterior, codes, new_levels, sets)
        return cls(sets.means(estimand.mean(posterior)), draws)

    def interval(self, coverage: float) -> Floats:
        """Central interval of each, (m, 2)."""
        return Mixture(self.draws, np.zeros_like(self.draws), None).quantiles(central(coverage))

    def above_zero(self) -> Floats:
        """Probability that each is above zero, (m,)."""
        share: Floats = (self.draws > 0).mean(axis=1)
        return share

    def ranks(self) -> tuple[Floats, Floats]:
        """Probability that each is the largest, and its expected rank, 1 being that: (m,) both.

        Those that are the same but for rounding share their ranks, and their being the largest.
        """
        size = float(np.abs(self.draws).max()) or 1.0
        lead = np.round((self.draws - self.draws[0]) / (_SAME * size))
        ranks = rankdata(-lead, axis=0)
        best = lead == lead.max(axis=0)
        return (best / best.sum(axis=0)).mean(axis=1), ranks.mean(axis=1)


def draws_of_means(
    estimand: Estimand, posterior: Posterior, codes: Ints, new_levels: Ints, sets: Sets
) -> Floats:
    """Joint draws of means over sets of rows, (m, S), as `prediction.joint_draws` has them."""
    rng, every = np.random.default_rng(0), np.arange(posterior.n_draws)
    draws = np.empty((len(sets.starts), posterior.n_draws))
    for block, levels, coefficients in prediction.joint_coefficients(
        posterior, codes, new_levels, every, rng
    ):
        draws[:, block] = sets.means(estimand.draws(posterior, coefficients, levels))
    return draws
