"""Yes or no, and shares of yes: the logistic regression."""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, expit, log_expit

from skhlm._typing import Floats, Ints
from skhlm.families.evidence import Evidence
from skhlm.families.excess import Excess
from skhlm.families.family import Aux, CoefficientPriors, Flaw
from skhlm.families.link_family import LinkFamily, alike, flaw_of_many, flaw_where, group_sum
from skhlm.families.links import LOGIT
from skhlm.priors import Normal

_ROUNDING = 1e-9  # of successes that are a share times the trials
_MOST_TRIALS = 1e16  # times the root of the rows: from 1e17 on nothing samples well
_SUREST = 1e-9  # probability of success or failure


class Binomial(LinkFamily):
    """y is the share of successes, its weight the number of trials.

    Everything here is of *one* trial, a unit of weight: a row's log density is its weight times
    `log_density` plus `log_constant`, which no other family has. ``variance``, ``cdf``,
    ``quantile`` and ``draw`` are of one trial, 0 or 1.
    """

    name = "binomial"
    code = 2
    link = LOGIT
    priors = CoefficientPriors(kappa=Normal(0, 2.5), tau=Normal(0, 2.5))
    elsewhere = ("bernoulli", "logistic")
    noun = "binomial outcomes"
    formula = "binomial(trials, inv_logit(eta))"
    support = "shares of successes in [0, 1]"
    merges_equal_rows = True
    is_discrete = True
    is_binary = True
    statistics = ("mean",)

    def find_flaw(self, y: Floats) -> Flaw | None:
        """What are no shares."""
        remedy = (
            "binomial outcomes are shares of successes, from 0 to 1: divide by the trials and give "
            "these as sample_weight."
        )
        return flaw_where((y < 0) | (y > 1), remedy)

    def find_extreme(self, y: Floats, weight: Floats) -> Flaw | None:
        """Too many trials."""
        remedy = "model the log odds of the shares, by family='normal'."
        one = np.ones_like(y)
        return flaw_of_many(one, weight, _MOST_TRIALS, "trials (the sum of sample_weight)", remedy)

    def centre(self, y: Floats, weight: Floats, offset: Floats) -> float:
        """Zero: even odds."""
        del y, weight, offset
        return 0.0

    def log_density(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Of one trial: y log mu + (1 - y) log(1 - mu)."""
        del aux
        density: Floats = y * log_expit(eta) + (1 - y) * log_expit(-eta)
        return density

    def log_constant(self, y: Floats, weight: Floats) -> Floats:
        """Log of the number of ways to have k = y weight successes in this many trials."""
        k = successes(y, weight)
        constant: Floats = -betaln(weight - k + 1, k + 1) - np.log1p(weight)
        return constant

    def score(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Y - mu, without cancellation far out."""
        del aux
        score: Floats = y * expit(-eta) - (1 - y) * expit(eta)
        return score

    def information(self, eta: Floats, aux: Aux) -> Floats:
        """mu (1 - mu)."""
        del aux
        return self.link.derivative(eta)

    def variance(self, eta: Floats, aux: Aux) -> Floats:
        """mu (1 - mu)."""
        return self.information(eta, aux)

    def variance_over_normal(self, eta: Floats, variance: Floats, aux: Aux) -> Floats:
        """Mean of the slope mu (1 - mu)."""
        del aux
        return self.link.slopes_over_normal(eta, variance)[0]

    def own_variance(self, mean: Floats, aux: Aux) -> Floats:
        """Of the standard logistic distribution, pi^2 / 3."""
        del aux
        return np.full(np.shape(mean), np.pi**2 / 3)

    def cdf(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """1 - mu below one."""
        del aux
        probability: Floats = np.where(y < 0, 0.0, np.where(y < 1, expit(-eta), 1.0))
        return probability

    def quantile(self, p: Floats, eta: Floats, aux: Aux) -> Floats:
        """One where p exceeds 1 - mu."""
        del aux
        return np.where(p > expit(-eta), 1.0, 0.0)

    def draw(self, eta: Floats, aux: Aux, rng: np.random.Generator) -> Floats:
        """0.0 or 1.0."""
        del aux
        drawn: Floats = (rng.random(np.shape(eta)) < expit(eta)).astype(np.float64)
        return drawn

    def excess_variance(self, y: Floats, eta: Floats, trials: Floats) -> Excess:
        """Sum of z z' over pairs of different trials, z being one of them less mu.

        So one trial alone says nothing. Where log odds vary by c from row to row the mean is about
        m (m - 1) (mu (1 - mu))^2 c^2.
        """
        mean, slope = self.link.inverse(eta), self.link.derivative(eta)
        error, bend = successes(y, trials) - trials * mean, 1 - 2 * mean
        square = trials * np.maximum(trials - 1, 0) * np.square(slope)
        value = np.square(error) - error * bend - trials * slope
        third = 4 * square * (2 * np.maximum(trials - 2, 0) * slope + np.square(bend))
        return Excess(value, 2 * square, third, scale=square, step=2)

    def own_mean(self, y: Floats, weight: Floats, mean: Floats) -> Floats:
        """As if there had been one trial more, with the mean for its outcome."""
        return (weight * y + np.clip(mean, _SUREST, 1 - _SUREST)) / (weight + 1)

    def pooled(self, rows: Evidence, group: Ints) -> tuple[Floats, Floats]:
        """All successes over all trials: k of m is the same row however it was given."""
        total = group_sum(successes(rows.y, rows.weight), group)
        return total / group_sum(rows.weight, group), alike(rows.offset, group)


def successes(y: Floats, weight: Floats) -> Floats:
    """y x weight; whole where rounding alone keeps it from being so."""
    k = y * weight
    whole = np.round(k)
    return np.where(np.abs(k - whole) <= _ROUNDING * np.maximum(1, whole), whole, k)
