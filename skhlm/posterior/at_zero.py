"""Parameters of a posterior with their intercepts at x = 0; what does not move stays.

Predictors are centred in the model: an intercept there is that at their means. At x = 0 it is less
by the slopes times the centres, and its effects, scales and correlations are those of this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.inputs.design import Units
from skhlm.numerics.blocks import BLOCK_BYTES
from skhlm.numerics.quantiles import describe, quantiles_of
from skhlm.numerics.threads import in_blocks
from skhlm.posterior.level_effects import LevelEffects
from skhlm.posterior.moments import BOTH, mark
from skhlm.posterior.posterior import Coefficients, Posterior


def kappa(posterior: Posterior) -> Floats:
    """Population-level coefficients, (K, S)."""
    draws = posterior.draws.kappa
    return _moved(draws, np.arange(len(draws)), posterior.units)


def delta(posterior: Posterior, g: int, levels: Ints | slice = slice(None)) -> Floats:
    """Effects of some levels of factor g, (J, K_g, S).

    If slopes vary by the factor and the intercept does not, it varies at x = 0 all the same;
    that part is in `coefficients` alone.
    """
    effects = posterior.draws.delta[g][np.arange(posterior.n_levels[g])[levels]]
    return _moved(effects, posterior.varying[g], posterior.units)


def coefficients(posterior: Posterior, codes: Ints, of: Coefficients | None = None) -> Floats:
    """Beta of each row of codes, (n, K, S); of the draws by default."""
    of, codes = (posterior.draws if of is None else of).at_hand(codes)
    n_coefficients, n_draws = of.kappa.shape
    beta = np.empty((len(codes), n_coefficients, n_draws))
    for k in range(n_coefficients):
        beta[:, k] = of.at(codes, k)
    return _moved(beta, np.arange(n_coefficients), posterior.units)


def covariance(posterior: Posterior, g: int) -> Floats:
    """Covariance T Sigma_g T' of factor g's effects, (K_g, K_g, S)."""
    T = _transform(posterior, g)
    moved: Floats = np.einsum("ij,jks,lk->ils", T, posterior.covariance(g), T)
    return moved


def _transform(posterior: Posterior, g: int) -> Floats:
    """T (K_g, K_g): effects of factor g at x = 0 are T times those at the predictors' means."""
    columns = posterior.varying[g]
    T: Floats = _moved(np.eye(len(columns))[:, :, None], columns, posterior.units)[:, :, 0].T
    return T


def tau(posterior: Posterior, g: int) -> Floats:
    """Standard deviations of factor g's effects, (K_g, S)."""
    scales: Floats = np.sqrt(np.einsum("iis->is", covariance(posterior, g)))
    return scales


def omega(posterior: Posterior, g: int) -> Floats:
    """Correlations of factor g's effects, (K_g, K_g, S)."""
    scales = tau(posterior, g)
    return covariance(posterior, g) / (scales[:, None] * scales)


def moments_of_effects(posterior: Posterior, g: int) -> Ints:
    """Moments of the effects of factor g that are finite, (J_g, K_g), see `Moments`."""
    return _least(posterior.finite_moments.delta[g], posterior.varying[g], posterior.units)


def moments_of_tau(posterior: Posterior, g: int) -> Ints:
    """The same of their standard deviations, (K_g,)."""
    return _least(posterior.finite_moments.tau[g], posterior.varying[g], posterior.units)


def moments_of_kappa(posterior: Posterior) -> Ints:
    """The same of population-level coefficients, (K,)."""
    found = posterior.finite_moments.kappa
    return _least(found, np.arange(len(found)), posterior.units)


def moments_of_coefficients(posterior: Posterior, codes: Ints) -> Ints:
    """The same of beta for each row of codes, (n, K)."""
    found = posterior.finite_moments
    beta = np.repeat(found.kappa[None], len(codes), axis=0)
    for g, columns in enumerate(posterior.varying):
        nothing = np.full((1, len(columns)), BOTH)
        effects = np.vstack([found.delta[g], nothing, found.tau[g][None]])
        beta[:, columns] = np.minimum(beta[:, columns], effects[codes[:, g]])
    return _least(beta, np.arange(beta.shape[1]), posterior.units)


def mean_effects(posterior: Posterior, g: int) -> Floats:
    """Means of the effects of factor g, (J_g, K_g), whether or not they are finite."""
    means = posterior.mean.delta[g][: posterior.n_levels[g]]
    return _moved(means, posterior.varying[g], posterior.units)[..., 0]


def describe_effects(
    posterior: Posterior, g: int, probabilities: Sequence[float], levels: Ints | None = None
) -> Floats:
    """`describe` of the effects of J levels of factor g, by default all, (J, K_g, 2 + q).

    Means and standard deviations of effects that are made when they are asked for have no Monte
    Carlo error but that of what they are made from.
    """
    levels = np.arange(posterior.n_levels[g]) if levels is None else levels
    shape = (len(levels), len(posterior.varying[g]), 2 + len(probabilities))
    effects, result = posterior.draws.delta[g], np.empty(shape)
    size = BLOCK_BYTES // (8 * posterior.n_draws * (shape[1] + 1))
    if isinstance(effects, LevelEffects):
        size = min(size, effects.block_size)

    def fill(some: slice) -> None:
        if isinstance(effects, LevelEffects):
            result[some] = _describe_made(posterior, g, effects, levels[some], probabilities)
        else:
            result[some] = describe(delta(posterior, g, levels[some]), probabilities)

    in_blocks(fill, shape[0], size)
    mark(result, moments_of_effects(posterior, g)[levels])
    return result


def _describe_made(
    posterior: Posterior,
    g: int,
    effects: LevelEffects,
    levels: Ints,
    probabilities: Sequence[float],
) -> Floats:
    """The same of effects that are made, for a block of levels; none depends on those beside it."""

    def moved(values: Floats) -> Floats:
        return _moved(values, posterior.varying[g], posterior.units)

    made, (mean, covariance) = effects.with_moments(levels)
    of_pairs = moved(moved(covariance).swapaxes(1, 2))
    moments = [moved(mean[:, :, None])[:, :, 0], np.sqrt(np.einsum("lii->li", of_pairs))]
    return np.dstack([*moments, quantiles_of(moved(made), probabilities)])


def describe_coefficients(
    posterior: Posterior, codes: Ints, probabilities: Sequence[float]
) -> Floats:
    """`describe` of beta for each row of codes, (n, K, 2 + q); means as in `Posterior.mean`."""
    K = len(posterior.draws.kappa)
    result = np.empty((len(codes), K, 2 + len(probabilities)))
    mean = posterior.mean

    def fill(rows: slice) -> None:
        result[rows] = describe(coefficients(posterior, codes[rows]), probabilities)
        result[rows, :, 0] = coefficients(posterior, codes[rows], mean)[:, :, 0]

    in_blocks(fill, len(codes), BLOCK_BYTES // (8 * posterior.n_draws * (K + 1)))
    mark(result, moments_of_coefficients(posterior, codes))
    return result


def _least(moments: Ints, columns: Ints, units: Units) -> Ints:
    """Moments (..., K_g) of what `_moved` makes: an intercept has those of all its terms."""
    result = moments.copy()
    if units.fit_intercept and 0 in columns:
        others = [j for j, k in enumerate(columns) if k and units.x_center[k - 1]]
        result[..., 0] = np.minimum(
            moments[..., 0], moments[..., others].min(axis=-1, initial=BOTH)
        )
    return result


def _moved(values: Floats, columns: Ints, units: Units) -> Floats:
    """Intercept, if there is one, of (..., K_g, S) less sum_k x_center_k slope_k."""
    result = values.copy()
    if units.fit_intercept and 0 in columns:
        for j, column in enumerate(columns[1:], start=1):
            result[..., 0, :] -= units.x_center[column - 1] * values[..., j, :]
    return result
