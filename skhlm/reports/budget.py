"""Where the uncertainty of a prediction comes from: its variance, part by part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.numerics.blocks import BLOCK_BYTES, blocks
from skhlm.posterior import prediction
from skhlm.posterior.posterior import Posterior, without_new


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
        the square of `prediction.predictive_std`.

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
    Z = posterior.units.centred(X)
    for rows in blocks(n, BLOCK_BYTES // (8 * posterior.n_draws)):
        eta = posterior.draws.expected_value(Z[rows], known[rows])
        eta -= eta.mean(axis=1, keepdims=True)
        for j, part in enumerate(_parts(posterior, Z[rows], known[rows])):
            variance[rows, j] = np.einsum("ns,ns->n", part, eta) / posterior.n_draws
    variance[:, 1:-1] += prediction.mean_variance_of_new(posterior, Z, codes)
    variance[:, -1] = posterior.outcome.error_variance
    return variance


def shares(variance: Floats) -> Floats:
    """Parts over their sum, row by row; where one is infinite, it is all there is."""
    infinite = np.isinf(variance)
    variance = np.where(infinite.any(axis=-1, keepdims=True), infinite, variance)
    share: Floats = variance / variance.sum(axis=-1, keepdims=True)
    return share


def _parts(posterior: Posterior, Z: Floats, codes: Ints) -> Iterator[Floats]:
    """Draws of z' kappa and then of z' delta_g for each factor, (b, S)."""
    kappa, varying = posterior.draws.kappa, posterior.varying
    yield Z @ kappa
    for g, columns in enumerate(varying):
        effects = posterior.draws.delta[g]
        part = np.zeros((len(Z), kappa.shape[1]))
        for j, k in enumerate(columns):
            part += Z[:, k, None] * effects[codes[:, g], j]
        yield part
