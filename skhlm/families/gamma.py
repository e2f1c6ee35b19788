"""Positive outcomes whose spread is in proportion to their mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import gammainc, gammaincinv

from skhlm._typing import Floats, Ints
from skhlm.families.counts import factorial_excess
from skhlm.families.evidence import Evidence
from skhlm.families.family import Aux, Auxiliary, Flaw
from skhlm.families.link_family import LogFamily, flaw_where, group_mean, mean_square
from skhlm.families.links import LOG
from skhlm.priors import Normal

_LARGEST = 1e150  # amount; the smallest is one over it
_LEAST = 1e-100  # cv, whose square must not vanish
_ROUNDING = 1e-12  # half the square of a cv that means nothing
_SHARE = 0.05  # of the common mean in a row's own
_NEAR = 0.5  # relative distance from the mean within which log(y / mu) would cancel
_TINY = float(np.finfo(np.float64).tiny)

CV = Auxiliary(
    name="cv",
    meaning="coefficient of variation of the outcome",
    prior=Normal(0, 1),
    cut=1e-6,
    skewed=True,
)


class Gamma(LogFamily):
    """Positive numbers of mean mu = exp(eta) and standard deviation cv mu: shape = 1 / cv^2.

    log p = shape (log shape - eta - y / mu) + (shape - 1) log y - log Gamma(shape)
    """

    name = "gamma"
    code = 5
    link = LOG
    auxiliary = (CV,)
    noun = "gamma outcomes"
    formula = "gamma(exp(eta), cv)"
    support = "numbers above zero"
    same_offset = False
    more_events = 0.0  # amounts have a unit, and half of what it is means nothing

    @property
    def scale(self) -> str:
        """Of the mean, which is no rate."""
        return "log mean"

    def find_flaw(self, y: Floats) -> Flaw | None:
        """What is not above zero."""
        remedy = (
            "gamma outcomes are above zero. Leave such rows out, with a model of their own for "
            "whether there is anything, or take family='student_t'."
        )
        return flaw_where(y <= 0, remedy)

    def find_extreme(self, y: Floats, weight: Floats) -> Flaw | None:
        """Amounts whose squares are no doubles."""
        del weight
        remedy = (
            f"squares of amounts beyond {_LARGEST:.0e}, or of less than {1 / _LARGEST:.0e}, are "
            "no doubles. Change the unit, or leave out rows that are so far from the others."
        )
        return flaw_where((y > _LARGEST) | (y < 1 / _LARGEST), remedy)

    def log_density(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """In r = y / mu - 1 and what Stirling's formula leaves of log Gamma(shape)."""
        return self.log_density_of_eta(y, aux)(eta)

    def log_density_of_eta(self, y: Floats, aux: Aux) -> Callable[[Floats], Floats]:
        """The same."""
        shape, log_y = _shape(aux), np.log(y)
        fixed = np.log(shape) - factorial_excess(shape) - log_y

        def log_density(eta: Floats) -> Floats:
            r = self._excess(y, eta)
            with np.errstate(divide="ignore", invalid="ignore"):
                log_ratio = np.where(np.abs(r) < _NEAR, np.log1p(r), log_y - eta)
            density: Floats = fixed - shape * (r - log_ratio)
            return density

        return log_density

    def log_likelihood(self, evidence: Evidence, eta: Floats, aux: Aux) -> float:
        """Of all rows that these stand for, with the mean of their log y, but not that log y.

        Half the deviance is not less than rounding errors make of it: a perfect fit has a cv, too.
        """
        shape, n = _shape(aux), evidence.n_obs
        rows = evidence.weight * (self._excess(evidence.y, eta) + eta)
        deviance = np.maximum(rows.sum() - n * evidence.outcome[0], n * _ROUNDING)
        return float(n * (np.log(shape) - factorial_excess(shape)) - shape * deviance)

    def score(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Shape r."""
        return _shape(aux) * self._excess(y, eta)

    def information(self, eta: Floats, aux: Aux) -> Floats:
        """Shape, the same for all rows."""
        del eta
        return _shape(aux)

    def curvature(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Shape y / mu."""
        return _shape(aux) * (y / self.link.inverse(eta))

    def variance(self, eta: Floats, aux: Aux) -> Floats:
        """(cv mu)^2."""
        variance: Floats = np.square(aux["cv"] * self.link.inverse(eta))
        return variance

    def variance_over_normal(self, eta: Floats, variance: Floats, aux: Aux) -> Floats:
        """Mean of (cv mu)^2."""
        return np.square(aux["cv"]) * mean_square(eta, variance)

    def cdf(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """An incomplete gamma function of shape y / mu."""
        shape = _shape(aux)
        at = np.maximum(y, 0) / self.link.inverse(eta)
        probability: Floats = gammainc(shape, shape * at)
        return probability

    def quantile(self, p: Floats, eta: Floats, aux: Aux) -> Floats:
        """Its inverse."""
        shape = _shape(aux)
        quantile: Floats = self.link.inverse(eta) * (gammaincinv(shape, p) / shape)
        return quantile

    def draw(self, eta: Floats, aux: Aux, rng: np.random.Generator) -> Floats:
        """Mu times gamma numbers of mean 1, above zero."""
        eta, shape = np.broadcast_arrays(eta, _shape(aux))
        drawn = self.link.inverse(eta) * (rng.standard_gamma(shape) / shape)
        outcomes: Floats = np.maximum(drawn, _TINY)
        return outcomes

    def own_variance(self, mean: Floats, aux: Aux) -> Floats:
        """log(1 + cv^2), whatever the mean."""
        own: Floats = np.log1p(np.square(aux["cv"])) + np.zeros_like(mean)
        return own

    def power_of_scale(self, y: Floats, weight: Floats) -> float:
        """The density is about shape / y where the shape is small."""
        del y
        return 2 * float(weight.sum())

    def own_mean(self, y: Floats, weight: Floats, mean: Floats) -> Floats:
        """A little of the mean, as outcomes near 0 tell nothing of theirs."""
        del weight
        return (1 - _SHARE) * y + _SHARE * mean

    def tally(self, rows: Evidence) -> tuple[Floats, Floats]:
        """One entry: the mean of log y of the rows as they were, and their weight."""
        log_y, weight = (rows.outcome, rows.count) if len(rows.outcome) else _log(rows)
        return np.array([np.average(log_y, weights=weight)]), np.array([weight.sum()])

    def pooled(self, rows: Evidence, group: Ints) -> tuple[Floats, Floats]:
        """Sums of eta and of y / mu are those of all rows: mean offset, and y to match."""
        offset = group_mean(rows.offset, rows.weight, group)
        relative = np.exp(offset[group] - rows.offset)
        return group_mean(rows.y * relative, rows.weight, group), offset

    def _excess(self, y: Floats, eta: Floats) -> Floats:
        """y / mu - 1."""
        mean = self.link.inverse(eta)
        return (y - mean) / mean


def _shape(aux: Aux) -> Floats:
    """1 / cv^2."""
    shape: Floats = 1 / np.square(np.maximum(aux["cv"], _LEAST))
    return shape


def _log(rows: Evidence) -> tuple[Floats, Floats]:
    return np.log(rows.y), rows.weight
