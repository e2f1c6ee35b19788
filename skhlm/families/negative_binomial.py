"""Counts that vary more than chance alone makes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import betainc

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
from skhlm.families.family import Aux, Auxiliary, Flaw
from skhlm.families.link_family import (
    LogFamily,
    alike,
    flaw_of_counts,
    flaw_of_many_events,
    group_sum,
    mean_square,
)
from skhlm.families.links import LOG
from skhlm.families.poisson import draw_counts
from skhlm.priors import Normal

_LEAST = 1e-50  # overdispersion: with a smaller square incomplete beta functions are no numbers
_NEARLY_POISSON = 1e5  # phi from which the other tail is the more exact

OVERDISPERSION = Auxiliary(
    name="overdispersion",
    meaning="coefficient of variation of the rates; 0 is Poisson",
    prior=Normal(0, 1),
    skewed=True,
    inverse_square="phi",
)


class NegativeBinomial(LogFamily):
    """Poisson counts of rates mu G, G gamma of mean 1 and standard deviation overdispersion.

    In symbols, with phi = 1 / overdispersion^2 and r = mu / (mu + phi),

        log p = y eta - (y + phi) log(1 + mu / phi) + sum_{j < y} log(1 + j / phi) - log y!,

    whose limit is Poisson as phi grows.
    """

    name = "negative_binomial"
    code = 4
    link = LOG
    auxiliary = (OVERDISPERSION,)
    elsewhere = ("negbinomial", "negbin", "nb")
    noun = "negative binomial counts"
    formula = "negative_binomial(exp(eta), overdispersion)"
    support = "counts: 0, 1, 2, ..."
    is_discrete = True
    statistics = ("mean", "zeros", "dispersion", "max")
    same_outcome = True

    def find_flaw(self, y: Floats) -> Flaw | None:
        """What are no whole numbers from 0."""
        return flaw_of_counts(y, self.noun)

    def find_extreme(self, y: Floats, weight: Floats) -> Flaw | None:
        """Too many events."""
        return flaw_of_many_events(y, weight)

    def log_density(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Minus two half deviances, of y and of phi, less what Stirling's formula leaves.

        With n = y + phi the former are about n r and n (1 - r); y - n r = n (1 - r) - phi.
        """
        return self.log_density_of_eta(y, aux)(eta)

    def log_density_of_eta(self, y: Floats, aux: Aux) -> Callable[[Floats], Floats]:
        """The same."""
        phi = _phi(aux)
        n = y + phi
        fixed = (
            factorial_excess(n) - factorial_excess(phi) - factorial_excess(y) - np.log1p(y / phi)
        )

        def log_density(eta: Floats) -> Floats:
            mean = self.link.inverse(eta)
            share = phi / (mean + phi)
            difference = (y - mean) * share
            deviance = half_deviance(y, n * (mean / (mean + phi)), difference)
            density: Floats = fixed - deviance - half_deviance(phi, n * share, -difference)
            return density

        return log_density

    def log_likelihood(self, evidence: Evidence, eta: Floats, aux: Aux) -> float:
        """Of all rows without log y!; what eta does not enter, from the distinct counts.

        That is log Gamma(v + phi) - log Gamma(phi) - v log phi by Stirling's formula.
        """
        y, v, phi = evidence.y, evidence.outcome, _phi(aux)
        fixed = factorial_excess(v + phi) - factorial_excess(phi) - v
        fixed += (v + phi - 1) * np.log1p(v / phi)
        rows = y * eta - (y + phi) * np.log1p(self.link.inverse(eta) / phi)
        return float((evidence.weight * rows).sum() + (evidence.count * fixed).sum())

    def score(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """(y - mu) (1 - r)."""
        mean, phi = self.link.inverse(eta), _phi(aux)
        return (y - mean) * (phi / (mean + phi))

    def information(self, eta: Floats, aux: Aux) -> Floats:
        """mu (1 - r)."""
        mean, phi = self.link.inverse(eta), _phi(aux)
        return mean * (phi / (mean + phi))

    def curvature(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """(y + phi) r (1 - r) > 0."""
        mean, phi = self.link.inverse(eta), _phi(aux)
        return (y + phi) * (phi / (mean + phi)) * (mean / (mean + phi))

    def variance(self, eta: Floats, aux: Aux) -> Floats:
        """mu + mu^2 / phi."""
        mean = self.link.inverse(eta)
        with np.errstate(over="ignore"):
            variance: Floats = mean * (1 + mean / _phi(aux))
        return variance

    def variance_over_normal(self, eta: Floats, variance: Floats, aux: Aux) -> Floats:
        """Mean of mu + mu^2 / phi."""
        return self.link.mean_over_normal(eta, variance) + mean_square(eta, variance) / _phi(aux)

    def cdf(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """An incomplete beta function of r."""
        mean, phi = self.link.inverse(eta), _phi(aux)
        k, mean, phi = np.broadcast_arrays(np.maximum(np.floor(y), 0) + 1, mean, phi)
        less, more = phi < _NEARLY_POISSON, phi >= _NEARLY_POISSON
        share = np.where(less, phi, mean) / (mean + phi)
        probability = np.empty(k.shape)
        probability[less] = betainc(phi[less], k[less], share[less])
        probability[more] = 1 - betainc(k[more], phi[more], share[more])
        return np.where(y < 0, 0.0, probability)

    def recursion(self, eta: Floats, aux: Aux) -> Recursion:
        """P(k + 1) / P(k) = r (phi + k) / (k + 1)."""
        mean, phi = np.broadcast_arrays(self.link.inverse(eta), _phi(aux))
        share = mean / (mean + phi)
        return Recursion(np.exp(-phi * np.log1p(mean / phi)), phi * share, share, mean)

    def quantile(self, p: Floats, eta: Floats, aux: Aux) -> Floats:
        """By search."""
        p, eta, _ = np.broadcast_arrays(p, eta, aux["overdispersion"])
        mean, variance = self.link.inverse(eta), self.variance(eta, aux)
        return count_quantile(lambda y: self.cdf(y, eta, aux), p, mean, variance)

    def draw(self, eta: Floats, aux: Aux, rng: np.random.Generator) -> Floats:
        """Poisson counts of gamma rates."""
        eta, phi = np.broadcast_arrays(eta, _phi(aux))
        return draw_counts(self.link.inverse(eta) * (rng.standard_gamma(phi) / phi), rng)

    def excess_zeros(self, y: Floats, eta: Floats, aux: Aux) -> Excess:
        """Of negative binomial counts."""
        return zeros_beyond(y, self.log_density(np.zeros(()), eta, aux))

    def power_of_scale(self, y: Floats, weight: Floats) -> float:
        """P(y) is about phi / y for y > 0 where phi is small; zeros become sure."""
        return 2 * float(weight[y > 0].sum())

    def tally(self, rows: Evidence) -> tuple[Floats, Floats]:
        """The distinct counts, and the weight of each."""
        counts, which = np.unique(rows.y, return_inverse=True)
        return counts, group_sum(rows.weight, which.ravel())

    def pooled(self, rows: Evidence, group: Ints) -> tuple[Floats, Floats]:
        """They are equal."""
        return alike(rows.y, group), alike(rows.offset, group)


def _phi(aux: Aux) -> Floats:
    """1 / overdispersion^2."""
    phi: Floats = 1 / np.square(np.maximum(aux["overdispersion"], _LEAST))
    return phi
