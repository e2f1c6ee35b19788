"""How well predictions agree with what was observed: densities and proper scores over arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import betaln
from scipy.stats import t as student_t

from skhlm._typing import Floats, Ints
from skhlm.numerics.blocks import blocks
from skhlm.numerics.log_sums import log_mean_exp
from skhlm.posterior import prediction
from skhlm.posterior.mixtures import CHUNK, Mixture, normal_tail
from skhlm.posterior.posterior import Posterior

_SHIFTS = (0.06, 0.19, 0.31, 0.44)  # of the order of draws: pairs that are compared


def log_likelihood(
    posterior: Posterior, X: Floats, codes: Ints, y: Floats, width: int = 4
) -> Iterator[tuple[Ints, Floats]]:
    """Which rows, (b,), and log p(y_i | draw), (b, S), a block at a time; see `draws_of_mean`."""
    for rows, expected in prediction.draws_of_mean(posterior, X, codes, width):
        yield rows, posterior.family.log_density(y[rows, None], expected, posterior.auxiliary)


def log_predictive_density(posterior: Posterior, X: Floats, codes: Ints, y: Floats) -> Floats:
    """Log density of a new observation at y, for each row by itself.

        log mean_s p(y_i | eta_i^s, Sigma^s, sigma^s, nu^s)

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors (n, p) and levels (n, G). Effects of new levels are integrated out draw by draw,
        exactly for normal residuals, to a relative error below 1e-3 for Student-t ones.
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        In logarithms of 1 / (unit of y).
    """
    result = np.empty(len(X))
    for rows, mixture in prediction.mixtures(posterior, X, codes, "outcome"):
        result[rows] = log_mean_exp(_log_density(mixture, y[rows], posterior))
    return result


def _log_density(mixture: Mixture, y: Floats, posterior: Posterior) -> Floats:
    """Log density of each row and draw, (b, S)."""
    density = posterior.family.log_density(y[:, None], mixture.mean, posterior.auxiliary)
    new = mixture.has_new
    density[new] = mixture.some(new).log_density(y[new])
    return density


def crps(posterior: Posterior, X: Floats, codes: Ints, y: Floats) -> Floats:
    """Continuous ranked probability score of each row.

    Residuals are the stratified draws of `Posterior.noise`; effects of new levels are integrated
    out.

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors (n, p) and levels (n, G) of the rows.
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        In units of y; see `crps_of_draws` and `crps_of_normals`.
    """
    result = np.empty(len(X))
    for rows, mixture in prediction.mixtures(posterior, X, codes, "mean"):
        outcome = (mixture.mean[:, None] + posterior.noise).reshape(len(rows), -1)
        new = mixture.has_new
        result[rows[~new]] = crps_of_draws(outcome[~new], y[rows[~new]])
        sd = np.tile(np.sqrt(mixture.variance[new]), len(posterior.noise))
        result[rows[new]] = crps_of_normals(outcome[new], sd, y[rows[new]])
    return result


def crps_of_draws(draws: Floats, y: Floats) -> Floats:
    """CRPS of the distribution of m draws, E|Y - y| - E|Y - Y'| / 2: (n, m) and (n,) -> (n,).

    The second term is sum_i (2 i - m - 1) Y_(i) / m^2 over ordered draws Y_(1) <= ... <= Y_(m).
    """
    m = draws.shape[1]
    error = np.sort(draws - y[:, None], axis=1)
    rank = (2 * np.arange(1, m + 1) - m - 1) / m**2
    score: Floats = np.abs(error).mean(axis=1) - (rank * error).sum(axis=1)
    return score


def crps_of_normals(mean: Floats, sd: Floats, y: Floats) -> Floats:
    """CRPS of mixtures of m normal distributions, (n, m) each, at y (n,).

        E|Y - y| - E|Y - Y'| / 2

    Of the m^2 pairs of components in the second term a few m are looked at, far apart in the order
    given.
    """
    m = mean.shape[1]
    score = np.empty(len(y))
    for rows in blocks(len(y), CHUNK // m):
        score[rows] = _mean_size(mean[rows] - y[rows, None], sd[rows])
        variance = sd[rows] ** 2
        for k in (int(shift * m) for shift in _SHIFTS):
            apart = mean[rows] - np.roll(mean[rows], k, axis=1)
            spread = np.sqrt(variance + np.roll(variance, k, axis=1))
            score[rows] -= _mean_size(apart, spread) / (2 * len(_SHIFTS))
    return score


def _mean_size(mean: Floats, sd: Floats) -> Floats:
    """E|Y| of normal distributions, averaged over the last axis: (n, m) -> (n,)."""
    z = np.divide(mean, sd, out=np.zeros_like(mean), where=sd > 0)
    kernel, above = normal_tail(np.abs(z))
    size = np.abs(mean) * (1 - 2 * above) + sd * kernel * np.sqrt(2 / np.pi)
    sizes: Floats = np.where(sd > 0, size, np.abs(mean)).mean(axis=1)
    return sizes


def crps_of_student_t(z: Floats, df: float) -> Floats:
    """CRPS of a standard Student-t distribution at z; infinite for df <= 1, which has no mean.

        z (2 F(z) - 1) + 2 f(z) (df + z^2) / (df - 1)
            - 2 sqrt(df) / (df - 1) B(1/2, df - 1/2) / B(1/2, df/2)^2

    Jordan, Krüger and Lerch (2019), doi:10.18637/jss.v090.i12.
    """
    if df <= 1:
        return np.full_like(z, np.inf)
    spread = np.exp(betaln(0.5, df - 0.5) - 2 * betaln(0.5, df / 2))
    density = student_t.pdf(z, df) * (df + z**2) - np.sqrt(df) * spread
    score: Floats = z * (2 * student_t.cdf(z, df) - 1) + 2 * density / (df - 1)
    return score


def interval_score(y: Floats, interval: Floats, coverage: float) -> Floats:
    """Width of each interval (n, 2), and 2 / (1 - coverage) times how far y is outside: (n,).

    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, equation 43; 0 is perfect.
    """
    lower, upper = interval.T
    outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
    score: Floats = upper - lower + 2 / (1 - coverage) * outside
    return score


def inside(y: Floats, interval: Floats) -> Floats:
    """1.0 where y lies in its interval (n, 2), ends included, else 0.0: (n,)."""
    return ((interval[:, 0] <= y) & (y <= interval[:, 1])).astype(np.float64)
