"""Student-t residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp, stdtr, stdtrit

from skhlm._typing import Floats
from skhlm.families.evidence import Evidence
from skhlm.families.family import Aux, Auxiliary, Swept
from skhlm.families.location import (
    SIGMA,
    ErrorScale,
    LocationFamily,
    LocationFit,
    log_prior_of_excess,
)
from skhlm.families.student_t_residuals import StudentTResiduals
from skhlm.numerics.grids import home_in, quantiles
from skhlm.numerics.scale_maps import NARROWEST, TAIL
from skhlm.priors import Gamma

_NORMAL_MAD = 1.4826  # sd of a normal distribution over its median absolute deviation
_LEAST_SHARE = 1e-3  # of the residuals' spread: what sigma may begin with
_MANY_PARAMETERS = 0.1  # a row: from here on the widening turns to the rows' variances
_BIN = 0.05  # of log squared errors: their distribution is all the likelihood sees
_VAGUE_NU = (0.3, 7.0, 300.0)  # 5/50/95% points of nu - 1

NU = Auxiliary(
    name="nu",
    meaning="degrees of freedom",
    prior=Gamma(2, 0.1),
    lower=1.0,  # so that the expected outcome exists
    absent=np.inf,
    skewed=True,
)


class StudentT(LocationFamily):
    """y = eta + sigma t, t with nu degrees of freedom."""

    name = "student_t"
    code = 1
    auxiliary = (SIGMA, NU)
    elsewhere = ("t", "student")
    noun = "Student-t residuals"
    formula = "student_t(nu, eta, sigma)"
    is_gamma_mixture = True

    def error_df(self, aux: Aux) -> Floats | float:
        """Nu."""
        return aux["nu"]

    def log_density_of_error(self, error: Floats, aux: Aux) -> Floats:
        """log Gamma((nu + 1)/2) - log Gamma(nu/2) - ... - (nu + 1)/2 log(1 + error^2/(nu s^2))."""
        sigma, nu = aux["sigma"], aux["nu"]
        z = error / sigma
        constant = (
            gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - np.log(sigma)
        )
        density: Floats = constant - (nu + 1) / 2 * np.log1p(z**2 / nu)
        return density

    def score(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """(nu + 1) e / (nu sigma^2 + e^2) of the error e."""
        return _score(y - eta, np.square(aux["sigma"]), aux["nu"])

    def information(self, eta: Floats, aux: Aux) -> Floats:
        """(nu + 1) / ((nu + 3) sigma^2)."""
        del eta
        return _share(aux["nu"]) / np.square(aux["sigma"])

    def log_information(self, logs: Sequence[Floats]) -> Floats:
        """log (nu + 1)/(nu + 3) - 2 log sigma."""
        log_sigma, log_nu = logs
        information: Floats = np.log(_share(1 + np.exp(log_nu))) - 2 * log_sigma
        return information

    def variance(self, eta: Floats, aux: Aux) -> Floats:
        """sigma^2 nu / (nu - 2), infinite for nu <= 2."""
        del eta
        sigma, nu = aux["sigma"], aux["nu"]
        finite = nu > 2
        ratio = np.where(finite, nu / np.where(finite, nu - 2, 1.0), np.inf)
        return np.square(sigma) * ratio

    def cdf(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """Distribution function of t at (y - eta) / sigma."""
        probability: Floats = stdtr(aux["nu"], (y - eta) / aux["sigma"])
        return probability

    def error_quantile(self, p: Floats, aux: Aux) -> Floats:
        """Sigma times the quantile of t."""
        quantile: Floats = aux["sigma"] * stdtrit(aux["nu"], p)
        return quantile

    def draw_errors(self, aux: Aux, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Sigma times numbers from t."""
        errors: Floats = aux["sigma"] * rng.standard_t(aux["nu"], shape)
        return errors

    def residuals(self, aux: Aux) -> StudentTResiduals:
        """Student-t ones."""
        return StudentTResiduals(aux["sigma"], aux["nu"])

    def typical_variance(self, aux: Aux) -> float:
        """Median of sigma^2 nu / (nu - 2), infinite where nu <= 2.

        Its mean over a posterior that reaches down to nu = 2 is infinite however small that part:
        the median is what the data say. It is infinite when at least half of the draws have
        nu <= 2; intervals are finite always.
        """
        variance = np.sort(self.variance(np.zeros(1), aux))
        n = len(variance)
        return float(variance[[(n - 1) // 2, n // 2]].mean())

    def robust_precision(self, weight: Floats, error: Floats, aux: Aux) -> Floats:
        """Weight (nu + 1) / (nu + (error / sigma)^2) / sigma^2."""
        return _robust_weight(weight, error, aux) / aux["sigma"] ** 2

    def expected_precision(self, weight: Floats, error: Floats, aux: Aux) -> Floats:
        """Times nu / (nu + 3): the expected information of a row in the middle."""
        robust = _robust_weight(weight, error, aux)
        return robust * aux["nu"] / (aux["nu"] + 3) / aux["sigma"] ** 2

    def first_scale(self, evidence: Evidence, residual: Floats, cut: float) -> LocationFit:
        """Sigma by the residuals' median absolute value; nu vague."""
        typical = _NORMAL_MAD * _median_size(residual, evidence.weight)
        sigma = max(typical, _LEAST_SHARE * evidence.size(residual))
        scale = ErrorScale.vague(sigma, np.log(_VAGUE_NU), cut)
        return LocationFit(scale, np.full(len(residual), sigma**2))

    def errors(self, evidence: Evidence, residual: Floats, seen: Swept) -> Floats:
        """Squared residuals, widened for the effects' uncertainty.

        Raw residuals of many effects fitted to few rows are too small, and would drive nu to one.
        With few parameters a row they are widened by N/(N - p), p the effective number of
        parameters; with many, half of that gives way to each row's own variance of eta.
        """
        squared, dof, n_obs = np.square(residual), seen.dof, evidence.n_obs
        inflation, crowding = n_obs / dof - 1, (1 - dof / n_obs) / _MANY_PARAMETERS
        blend = 1 - 0.5 * float(np.clip(crowding - 1, 0, 1))
        widened = squared * (1 + blend * inflation)
        return widened if blend == 1 else widened + (1 - blend) * seen.eta_variance()

    def working_precision(self, errors: Floats, scale: ErrorScale) -> Floats:
        """(nu + 1) / (nu sigma^2 + e^2), the expected precision of EM."""
        nu = _central_nu(scale)
        precision: Floats = (nu + 1) / (nu * scale.variance + errors)
        return precision

    def central_score(self, residual: Floats, scale: ErrorScale) -> Floats:
        """The score at the centre."""
        return _score(residual, scale.variance, _central_nu(scale))

    def fit_scale(
        self,
        evidence: Evidence,
        errors: Floats,
        dof: float,
        priors: Mapping[str, Any],
        start: ErrorScale,
        n: int,
    ) -> ErrorScale:
        """Posterior of sigma and nu given the distribution of the squared errors."""
        del dof
        value, count = bin_errors(errors, evidence.weight, evidence.rounding**2)

        def log_density(log_nu: Floats, log_excess: Floats) -> Floats:
            log_sigma = np.log(start.cut + np.exp(log_excess))
            nu = 1 + np.exp(log_nu)
            half = 0.5 * (nu + 1)
            q = value / (nu * np.exp(2 * log_sigma))[..., None]
            constant = gammaln(half) - gammaln(0.5 * nu) - 0.5 * np.log(nu) - log_sigma
            log_likelihood = count.sum() * constant - half * (np.log1p(q) @ count)
            prior = priors["nu"]
            log_prior_nu = (prior.shape - 1) * np.log(nu) - prior.rate * nu + log_nu
            log_prior_sigma = log_prior_of_excess(log_excess, log_sigma, priors)
            total: Floats = log_likelihood + log_prior_nu + log_prior_sigma
            return total

        low, middle, high = np.asarray(start.log_nu)
        nu_box = (3 * low - 2 * middle, 3 * high - 2 * middle)
        (log_nu, log_excess), density = home_in(log_density, [nu_box, start.box], n)
        return _summarised(log_nu, log_excess, density, start)


def bin_errors(squared: Floats, weight: Floats, floor: float) -> tuple[Floats, Floats]:
    """Squared errors in narrow bins of their logarithm: each bin's mean, and how many rows."""
    squared = np.maximum(squared, floor)
    bins = np.floor(np.log(squared / floor) / _BIN).astype(np.int64)
    count: Floats = np.bincount(bins, weight).astype(np.float64, copy=False)
    total = np.bincount(bins, weight * squared)
    full = count > 0
    return total[full] / count[full], count[full]


def _summarised(
    log_nu: Floats, log_excess: Floats, density: Floats, start: ErrorScale
) -> ErrorScale:
    """Quantiles of log(nu - 1), and log(sigma - cut) given it, of a density on their grid."""
    tails = quantiles(log_nu, logsumexp(density, axis=1))
    given_nu = np.exp(density - density.max(axis=1, keepdims=True))
    given_nu /= given_nu.sum(axis=1, keepdims=True)
    mean = given_nu @ log_excess
    sd = np.sqrt((given_nu * np.square(log_excess - mean[:, None])).sum(axis=1))
    at_low, at_middle, at_high = np.interp(tails, log_nu, mean)
    width = max(np.interp(tails[1], log_nu, sd), NARROWEST)
    return start.moved_to([at_middle, width, (at_high - at_low) / (2 * TAIL)], tails)


def _share(nu: Floats) -> Floats:
    """Of a normal row's information with the same sigma."""
    return (nu + 1) / (nu + 3)


def _score(error: Floats, variance: Floats, nu: Floats) -> Floats:
    score: Floats = (nu + 1) * error / (nu * variance + np.square(error))
    return score


def _robust_weight(weight: Floats, error: Floats, aux: Aux) -> Floats:
    """Of a row, by how much less than a normal one it tells."""
    nu, z = aux["nu"], error / aux["sigma"]
    robust: Floats = weight * (nu + 1) / (nu + z**2)
    return robust


def _central_nu(scale: ErrorScale) -> Floats:
    nu: Floats = 1 + np.exp(np.asarray(scale.log_nu)[1])
    return nu


def _median_size(values: Floats, weight: Floats) -> float:
    """Weighted median of the absolute values."""
    size = np.abs(values)
    order = np.argsort(size, kind="stable")
    below = np.cumsum(weight[order])
    return float(size[order[np.searchsorted(below, 0.5 * below[-1])]])
