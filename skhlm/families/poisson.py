"""Counts that vary as chance alone makes them."""

from __future__ import annotations

import numpy as np
from scipy.special import pdtr

from skhlm._typing import Floats, Ints
from skhlm.families.counts import (
    Recursion,
    count_quantile,
    factorial_excess,
    half_deviance,
    zeros_beyond,
)
from skhlm.families.evidence import Evidence
from skhlm.families.excess import Excess
from skhlm.families.family import Aux, Flaw
from skhlm.families.link_family import LogFamily, flaw_of_counts, flaw_of_many_events, group_mean
from skhlm.families.links import LOG

_LARGEST_DRAWN = 1e18  # beyond it a count is its mean to nine digits


class Poisson(LogFamily):
    """Counts of mean mu = exp(eta), which is their variance, too."""

    name = "poisson"
    code = 3
    link = LOG
    noun = "Poisson counts"
    formula = "poisson(exp(eta))"
    support = "counts: 0, 1, 2, ..."
    merges_equal_rows = True
    is_discrete = True
    wider = "negative_binomial"
    statistics = ("mean", "zeros", "dispersion", "max")
    same_offset = False

    def find_flaw(self, y: Floats) -> Flaw | None:
        """What are no whole numbers from 0."""
        return flaw_of_counts(y, self.noun)

    def find_extreme(self, y: Floats, weight: Floats) -> Flaw | None:
        """Too many events."""
        return flaw_of_many_events(y, weight)

    def log_density(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Y eta - mu - log y!, as minus half the deviance less what Stirling's formula leaves."""
        del aux
        mean = self.link.inverse(eta)
        return -half_deviance(y, mean, y - mean) - factorial_excess(y)

    def score(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Y - mu."""
        del aux
        return y - self.link.inverse(eta)

    def information(self, eta: Floats, aux: Aux) -> Floats:
        """Mu, whatever the outcome."""
        del aux
        return self.link.inverse(eta)

    def variance(self, eta: Floats, aux: Aux) -> Floats:
        """Mu."""
        return self.information(eta, aux)

    def variance_over_normal(self, eta: Floats, variance: Floats, aux: Aux) -> Floats:
        """Mean of mu."""
        del aux
        return self.link.mean_over_normal(eta, variance)

    def cdf(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """An incomplete gamma function of mu."""
        del aux
        probability: Floats = pdtr(np.maximum(np.floor(y), 0), self.link.inverse(eta))
        return np.where(y < 0, 0.0, probability)

    def recursion(self, eta: Floats, aux: Aux) -> Recursion:
        """P(k + 1) / P(k) = mu / (k + 1)."""
        del aux
        mean = self.link.inverse(eta)
        return Recursion(np.exp(-mean), mean, None, mean)

    def quantile(self, p: Floats, eta: Floats, aux: Aux) -> Floats:
        """By search."""
        p, eta = np.broadcast_arrays(p, eta)
        mean = self.link.inverse(eta)
        return count_quantile(lambda y: self.cdf(y, eta, aux), p, mean, mean)

    def draw(self, eta: Floats, aux: Aux, rng: np.random.Generator) -> Floats:
        """Counts."""
        del aux
        return draw_counts(self.link.inverse(eta), rng)

    def excess_variance(self, y: Floats, eta: Floats, trials: Floats) -> Excess:
        """(y - mu)^2 - y: its mean is that of mu^2 c^2 where rates are gamma of variation c.

        The score of c^2 at 0, so that no other statistic tells a small c sooner.
        """
        del trials
        mean = self.link.inverse(eta)
        square = np.square(mean)
        value, third = np.square(y - mean) - y, (4 + 8 * mean) * square
        return Excess(value, 2 * square, third, scale=square, step=2)

    def excess_zeros(self, y: Floats, eta: Floats, aux: Aux) -> Excess:
        """Of Poisson counts."""
        return zeros_beyond(y, self.log_density(np.zeros(()), eta, aux))

    def pooled(self, rows: Evidence, group: Ints) -> tuple[Floats, Floats]:
        """Mean count, at the log of the mean exposure."""
        largest = np.full(group.max(initial=-1) + 1, -np.inf)
        np.maximum.at(largest, group, rows.offset)
        exposure = group_mean(np.exp(rows.offset - largest[group]), rows.weight, group)
        return group_mean(rows.y, rows.weight, group), largest + np.log(exposure)


def draw_counts(mean: Floats, rng: np.random.Generator) -> Floats:
    """Poisson counts as floats."""
    drawn = rng.poisson(np.minimum(mean, _LARGEST_DRAWN)).astype(np.float64)
    counts: Floats = np.where(mean < _LARGEST_DRAWN, drawn, mean)
    return counts
