"""Differences and slopes of expected values behind a link, in each draw.

Given a draw, effects of new levels make two linear predictors jointly normal: those of the points
that are compared, or that of a point and its rate along a path. What is asked for is a function of
both, whose mean has a closed form, and whose quantiles are those of the draws or, where levels are
new, of a sample.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from skhlm._typing import Bools, Floats, Ints
from skhlm.families.links import Link
from skhlm.numerics.blocks import blocks
from skhlm.numerics.quantiles import quantiles_of
from skhlm.numerics.strata import stratified
from skhlm.posterior.mixtures import CHUNK, Mixture
from skhlm.posterior.posterior import Posterior

_MIN_SAMPLE = 2**14  # draws with new effects


@dataclass(frozen=True)
class Pairs(ABC):
    """Two linear predictors at each of b points in S draws, normal in each: (b, S) all.

    ================  ==========================================================
    ``first``         mean of the first
    ``second``        mean of the second
    ``first_var``     variance that effects of new levels give the first
    ``second_var``    the second
    ``covariance``    and both
    ================  ==========================================================
    """

    link: Link
    first: Floats
    second: Floats
    first_var: Floats
    second_var: Floats
    covariance: Floats

    @abstractmethod
    def value(self, first: Floats, second: Floats) -> Floats:
        """What is asked for."""

    @abstractmethod
    def mean(self) -> Floats:
        """Its mean over draws and new effects, (b,)."""

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Its quantiles, (b, q): of the draws, or of a sample where levels are new."""
        new = np.asarray((self.first_var + self.second_var).any(axis=1))
        result = np.empty((len(new), len(probabilities)))
        known = self.value(self.first[~new], self.second[~new])
        result[~new] = Mixture(known, np.zeros_like(known), None).quantiles(probabilities)
        rows, n_draws = np.flatnonzero(new), self.first.shape[1]
        for block in blocks(len(rows), CHUNK // n_draws):
            result[rows[block]] = quantiles_of(self._sample(rows[block]), probabilities)
        return result

    def _sample(self, rows: Ints) -> Floats:
        """It at the same even sample of normal numbers in all rows, (r, M S)."""
        n_draws = self.first.shape[1]
        n_each = -(-_MIN_SAMPLE // n_draws)
        rng = np.random.default_rng((2, n_draws))
        shape = (n_each, n_draws)
        own, other = ndtri(stratified(rng, (2, n_each * n_draws))).reshape(2, *shape)
        sd = np.sqrt(self.first_var[rows])[:, None]
        lean = np.divide(self.covariance[rows][:, None], sd, out=np.zeros_like(sd), where=sd > 0)
        rest = np.sqrt(np.maximum(self.second_var[rows][:, None] - lean**2, 0.0))
        first = self.first[rows][:, None] + sd * own
        second = self.second[rows][:, None] + lean * own + rest * other
        return self.value(first, second).reshape(len(rows), -1)


class Differences(Pairs):
    """The expected value at the first less that at the second."""

    def value(self, first: Floats, second: Floats) -> Floats:
        """The difference."""
        return self.link.inverse(first) - self.link.inverse(second)

    def mean(self) -> Floats:
        """Each by itself, as `prediction.expected_value` has it."""
        ends = (self.first, self.first_var), (self.second, self.second_var)
        ours, theirs = (self.link.mean_over_normal(*end).mean(axis=1) for end in ends)
        difference: Floats = ours - theirs
        return difference


class Slopes(Pairs):
    """The rate of the expected value where the second is the rate of the first."""

    def value(self, first: Floats, second: Floats) -> Floats:
        """By the chain rule."""
        return self.link.derivative(first) * second

    def mean(self) -> Floats:
        """By the chain rule of the mean over N(eta, v), whose v has twice the covariance as rate.

        The derivative of a mean over a normal distribution by its variance is half the second one
        by its mean.
        """
        rate, new = np.empty(len(self.first)), self.first_var.any(axis=1)
        rate[~new] = (self.link.derivative(self.first[~new]) * self.second[~new]).mean(axis=1)
        first, second = self.link.slopes_over_normal(self.first[new], self.first_var[new])
        rate[new] = (first * self.second[new] + second * self.covariance[new]).mean(axis=1)
        return rate


def covariance_of_new(posterior: Posterior, Z: Floats, other: Floats, new: Bools) -> Floats:
    """Covariance of z' u and z_other' u of the effects u of new levels, (n, S).

    Rows Z and ``other`` (n, K); ``new`` (n, G) says of which factors the level is new, and the
    same one in both. Term by term, as no row may depend on the batch.
    """
    covariance = np.zeros((len(Z), posterior.n_draws))
    for g, columns in enumerate(posterior.varying):
        rows = np.flatnonzero(new[:, g])
        if not len(rows):
            continue
        for k, entries in zip(columns, posterior.covariance(g), strict=True):
            for m, entry in zip(columns, entries, strict=True):
                covariance[rows] += (Z[rows, k] * other[rows, m])[:, None] * entry
    return covariance
