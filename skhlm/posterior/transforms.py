"""Probability integral transforms of outcomes: uniform between their ends if the model is right.

Of whole numbers P(Y < y) and P(Y <= y) are two, between which a transform is drawn at random or
spread evenly. A row may be of several trials: its outcome is then the number of successes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, expit, ndtri

from skhlm._typing import Floats, Ints
from skhlm.numerics.importance import smooth
from skhlm.numerics.log_sums import log_sum_exp
from skhlm.posterior import prediction
from skhlm.posterior.leave_one_out import efficiency_of_rows
from skhlm.posterior.posterior import Posterior

_WIDTH = 8  # arrays as large as a block's draws that are made of it
_NEAREST = 2.0**-53  # how near to 1 a probability is


class LeftOut(NamedTuple):
    """Ends (n, 2) of transforms of rows that are left out, and their Pareto k (n,)."""

    ends: Floats
    pareto_k: Floats


def transform_ends(
    posterior: Posterior, X: Floats, codes: Ints, y: Floats, trials: Floats
) -> Floats:
    """P(Y < y) and P(Y <= y) of each row, (n, 2), by the posterior of all rows.

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors (n, p) and levels (n, G); an effect of a new level has a draw in each draw.
    y, trials : ndarray of shape (n,)
        Outcomes, of several trials the successes, and the trials, which are 1 for all other
        families.
    """
    ends = np.empty((len(X), 2))
    for rows, eta in prediction.draws_of_eta(posterior, X, codes, _WIDTH):
        for side, values in enumerate(_ends_given(posterior, eta, y[rows], trials[rows])):
            ends[rows, side] = values.mean(axis=1)
    return ends


def transform_ends_left_out(
    posterior: Posterior, X: Floats, codes: Ints, y: Floats, trials: Floats
) -> LeftOut:
    """The same by the posterior of all other rows: draws weighted by Pareto smoothed 1 / p(y_i).

    Vehtari, Gelman and Gabry (2017), doi:10.1007/s11222-016-9696-4. Arguments are those of
    `transform_ends`, of rows that were fitted.
    """
    share = y / trials
    r_eff = efficiency_of_rows(posterior, X, codes, share)
    ends, pareto_k = np.empty((len(X), 2)), np.empty(len(X))
    for rows, eta in prediction.draws_of_eta(posterior, X, codes, _WIDTH):
        log_p = posterior.family.log_density(share[rows, None], eta, posterior.auxiliary)
        smoothed = smooth(-trials[rows, None] * log_p, r_eff)
        weights = np.exp(smoothed.log_weights - log_sum_exp(smoothed.log_weights)[:, None])
        for side, values in enumerate(_ends_given(posterior, eta, y[rows], trials[rows])):
            ends[rows, side] = (weights * values).sum(axis=1)
        pareto_k[rows] = smoothed.pareto_k
    return LeftOut(np.clip(ends, 0.0, 1.0), pareto_k)


def quantile_residuals(ends: Floats, rng: np.random.Generator) -> Floats:
    """Standard normal quantiles at transforms drawn between their ends (n, 2): (n,).

    Dunn and Smyth (1996), doi:10.1080/10618600.1996.10474708. Those of outcomes beyond all that
    the model thinks possible, to the digits of a number, are about 8.2 from zero.
    """
    low, high = ends.T
    drawn = low + rng.random(len(ends)) * (high - low)
    residuals: Floats = ndtri(np.clip(drawn, _NEAREST, 1 - _NEAREST))
    return residuals


def share_below(ends: Floats, at: Floats) -> Floats:
    """Share of transforms, spread evenly between their ends (n, 2), at or below points (T,)."""
    low, high = ends.T[:, :, None]
    width = high - low
    below: Floats = (at >= high).astype(np.float64)
    np.divide(at - low, width, out=below, where=width > 0)
    share: Floats = np.clip(below, 0.0, 1.0).mean(axis=0)
    return share


def _ends_given(
    posterior: Posterior, eta: Floats, y: Floats, trials: Floats
) -> tuple[Floats, Floats]:
    """P(Y < y) and P(Y <= y) in each draw, (b, S) each, at eta (b, S)."""
    family, y = posterior.family, y[:, None]
    if family.is_binary:
        chance, of = expit(eta), trials[:, None].astype(np.int64)
        less = np.where(y > 0, bdtr(np.maximum(y - 1, 0), of, chance), 0.0)
        return less, np.asarray(bdtr(y, of, chance), np.float64)
    at_most = family.cdf(y, eta, posterior.auxiliary)
    if not family.is_discrete:
        return at_most, at_most
    return family.cdf(y - 1, eta, posterior.auxiliary), at_most
