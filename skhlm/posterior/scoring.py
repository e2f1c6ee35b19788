"""How well predictions agree with what was observed: densities and proper scores over arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import betaln
from scipy.stats import t as student_t

from skhlm._typing import Floats, Ints
from skhlm.numerics.log_sums import log_mean_exp
from skhlm.posterior import prediction
from skhlm.posterior.posterior import Posterior


def log_likelihood(
    posterior: Posterior, X: Floats, codes: Ints, y: Floats, width: int = 4
) -> Iterator[tuple[Ints, Floats]]:
    """Which rows, (b,), and log p(y_i | draw), (b, S), a block at a time; see `draws_of_eta`."""
    for rows, expected in prediction.draws_of_eta(posterior, X, codes, width):
        yield rows, posterior.family.log_density(y[rows, None], expected, posterior.auxiliary)


def log_predictive_density(posterior: Posterior, X: Floats, codes: Ints, y: Floats) -> Floats:
    """Log density of a new observation at y, for each row by itself.

        log mean_s p(y_i | eta_i^s, Sigma^s, the family's parameters^s)

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors (n, p) and levels (n, G). Effects of new levels are integrated out draw by draw,
        exactly for normal residuals, to a relative error below 1e-3 for other families.
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        In logarithms of 1 / (unit of y), of probabilities for whole numbers. A share is that of
        one trial.
    """
    result = np.empty(len(X))
    for rows, of_rows in prediction.outcomes(posterior, X, codes):
        result[rows] = log_mean_exp(of_rows.log_density(y[rows]))
    return result


def crps(posterior: Posterior, X: Floats, codes: Ints, y: Floats) -> Floats:
    """Continuous ranked probability score of each row.

    Effects of new levels are integrated out. Residuals are the stratified draws of
    `ResidualOutcome.noise`; other families have exact distribution functions, see
    `LinkMixture.crps`.

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors (n, p) and levels (n, G) of the rows.
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        In units of y; see `scores.crps_of_draws` and `scores.crps_of_normals`.
    """
    result = np.empty(len(X))
    for rows, of_rows in prediction.outcomes(posterior, X, codes):
        result[rows] = of_rows.crps(y[rows])
    return result


def pit_ends(posterior: Posterior, X: Floats, codes: Ints, y: Floats) -> Floats:
    """P(Y < y) and P(Y <= y) of each row's outcome, (n, 2).

    Between them is its probability integral transform, which is uniform if the model is right: of
    whole numbers a number drawn at random there, of others the one that both are.

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors (n, p) and levels (n, G) of the rows.
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n, 2)
    """
    result = np.empty((len(X), 2))
    for rows, of_rows in prediction.outcomes(posterior, X, codes):
        result[rows] = of_rows.ends(y[rows])
    return result


def share_inside(ends: Floats, coverage: Floats) -> Floats:
    """Probability that a transform between its ends (n, 2) is in the middle of (0, 1), (n, q).

    The middle is as wide as each coverage (q,). The mean over rows has no noise of randomised
    transforms, and the same expected value.
    """
    low, high = ends.T[:, :, None]
    width = high - low
    overlap = np.minimum(high, (1 + coverage) / 2) - np.maximum(low, (1 - coverage) / 2)
    share: Floats = (overlap >= 0).astype(np.float64)
    np.divide(np.maximum(overlap, 0), width, out=share, where=width > 0)
    return share


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
