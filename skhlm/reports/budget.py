"""Where the uncertainty of a prediction comes from: its variance, part by part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.numerics.blocks import BLOCK_BYTES, blocks
from skhlm.posterior import prediction
from skhlm.posterior.outcomes import residuals_of
from skhlm.posterior.posterior import Posterior, without_new

_REACH, _STEP = 6.5, 0.7  # of the trapezoidal rule over a new effect


def variance_parts(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Variance of a new observation at each row, in parts that add up to it.

    Parameters
    ----------
    posterior : Posterior
    X : ndarray of shape (n, p)
        Predictors.
    codes : ndarray of shape (n, G)
        Levels.

    Returns
    -------
    ndarray of shape (n, G + 2)
        Parts of the population-level coefficients, of each factor, of the residual. Their sum is
        the square of `prediction.predictive_std`. Behind a link they are those of eta, and add up
        to the square of `prediction.std_of_eta`; the outcome's own is on no such scale: NaN.

    Notes
    -----
    The expected value is a sum of parts, eta = z' kappa + sum_g z' delta_g, whose posteriors are
    correlated: data tell the sum better than its parts. By the law of total covariance a part of

        Cov(part, eta)

    over draws for each adds up to Var(eta). It may be negative, where a part makes up for the
    uncertainty of others. The effect of a level that fit has not seen is independent of all else
    and has E[z' Sigma_g z]; the residual has `Outcome.error_variance`.
    """
    n, G = codes.shape
    variance = np.zeros((n, G + 2))
    known = without_new(codes)
    Z = posterior.units.centred(X)[:, : len(posterior.draws.kappa)]  # an offset is certain
    for rows in blocks(n, BLOCK_BYTES // (8 * posterior.n_draws)):
        eta = posterior.draws.expected_value(Z[rows], known[rows])
        eta -= eta.mean(axis=1, keepdims=True)
        for j, part in enumerate(_parts(posterior, Z[rows], known[rows])):
            variance[rows, j] = np.einsum("ns,ns->n", part, eta) / posterior.n_draws
    variance[:, 1:-1] += prediction.mean_variance_of_new(posterior, Z, codes)
    variance[:, -1] = posterior.outcome.error_variance if _is_straight(posterior) else np.nan
    return variance


def shares(variance: Floats) -> Floats:
    """Parts over their sum, row by row; where one is infinite, it is all there is."""
    infinite = np.isinf(variance)
    variance = np.where(infinite.any(axis=-1, keepdims=True), infinite, variance)
    share: Floats = variance / variance.sum(axis=-1, keepdims=True)
    return share


def shares_of(posterior: Posterior, X: Floats, codes: Ints, variance: Floats) -> Floats:
    """Shares of `variance_parts` in the variance of a new observation, (n, G + 2).

    A residual whose variance is infinite counts with the square of half the width of its central
    68.3% interval, which of a normal one is the variance; so it is told how much of the width is
    whose.

    Behind a link that of the outcome's own variance is E[Var(y | eta)] / Var(y), and the parts of
    eta have the rest in proportion. NaN where Var(y) is infinite.
    """
    if _is_straight(posterior):
        return shares(_with_finite_residual(posterior, variance))
    own = np.empty((len(X), 1))
    for rows, eta in prediction.draws_of_eta(posterior, X, without_new(codes), width=4):
        Z = posterior.units.centred(X[rows])
        spread = prediction.variance_of_new(posterior, Z, codes[rows])
        own[rows] = _own_share(posterior, eta, spread)[:, None]
    return np.column_stack([(1 - own) * shares(variance[:, :-1]), own])


def _with_finite_residual(posterior: Posterior, variance: Floats) -> Floats:
    """Parts (n, G + 2), the residual's infinite ones replaced by its squared half-width."""
    if not np.isinf(variance[:, -1]).any():
        return variance
    half_width = residuals_of(posterior.outcome).error_half_width
    return np.column_stack([variance[:, :-1], np.full(len(variance), half_width**2)])


def _own_share(posterior: Posterior, eta: Floats, spread: Floats) -> Floats:
    """E[Var(y | eta)] / Var(y) of rows, from draws of eta and the variance of new effects: (b,)."""
    family, auxiliary = posterior.family, posterior.auxiliary
    total = posterior.outcome.at(eta, spread).variance()
    sd = np.sqrt(spread)
    reach = _REACH + 2 * float(sd.max(initial=0.0))  # squares weigh the upper tail more
    z = np.arange(-_REACH, reach, min(_STEP, 1 / max(float(sd.max(initial=0.0)), 1.0)))
    z = z if sd.any() else np.zeros(1)
    weight = np.exp(-0.5 * z**2)
    own = np.zeros(len(eta))
    with np.errstate(over="ignore", invalid="ignore"):
        for at, share in zip(z, weight / weight.sum(), strict=True):
            variance = family.variance(eta + at * sd, auxiliary)
            own += share * np.broadcast_to(variance, eta.shape).mean(axis=1)
        found: Floats = own / total
    return found


def _is_straight(posterior: Posterior) -> bool:
    """Whether the outcome is on the scale of eta."""
    return posterior.family.link.linear


def _parts(posterior: Posterior, Z: Floats, codes: Ints) -> Iterator[Floats]:
    """Draws of z' kappa and then of z' delta_g for each factor, (b, S)."""
    draws, codes = posterior.draws.at_hand(codes)
    kappa = draws.kappa
    yield Z @ kappa
    for g, columns in enumerate(draws.varying):
        effects = draws.delta[g]
        part = np.zeros((len(Z), kappa.shape[1]))
        for j, k in enumerate(columns):
            part += Z[:, k, None] * effects[codes[:, g], j]
        yield part
