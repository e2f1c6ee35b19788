"""How much of the outcome's variance each part of the model has, draw by draw, on eta's scale.

    population   Var_i(x_i' kappa) over rows
    factor g     mean_i(z_i' Sigma_g z_i): of effects of levels as there may be, not of those seen
    own          of the outcome about its mean, see `Family.own_variance`

Nakagawa and Schielzeth (2013), doi:10.1111/j.2041-210x.2012.00261.x; with slopes that vary, the
mean over rows of Johnson (2014), doi:10.1111/2041-210X.12225.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.numerics.blocks import BLOCK_BYTES, blocks
from skhlm.posterior import prediction
from skhlm.posterior.posterior import NEW, NO_EFFECT, Posterior


@dataclass(frozen=True)
class VarianceParts:
    """Variances in each draw, of rows together (S,) or of each of them (b, S).

    ==============  =============  ==========================================
    ``population``  (..., S)       of x' kappa; 0 of a row alone
    ``factors``     (G, ..., S)    of effects of each factor
    ``own``         (..., S)       of the outcome about its mean; may be infinite
    ==============  =============  ==========================================
    """

    population: Floats
    factors: Floats
    own: Floats

    def shares(self, *, adjusted: bool = False) -> Floats:
        """Of the population, each factor, all of them, and the outcome's own: (G + 3, ..., S).

        Adjusted ones are of the variance that the predictors leave: the population has none.
        """
        population = np.zeros_like(self.population) if adjusted else self.population
        effects = self.factors.sum(axis=0)
        endless = np.isinf(self.own)
        parts = np.stack([population, *self.factors, effects, np.where(endless, 1.0, self.own)])
        parts[:-1] = np.where(endless, 0.0, parts[:-1])
        share: Floats = parts / (parts[0] + parts[-2] + parts[-1])
        return share


def variance_over_rows(posterior: Posterior, X: Floats, weight: Floats) -> VarianceParts:
    """Of rows X (n, p) together, each as often as its weight (n,) says."""
    Z, share = _predictors(posterior, X), weight / weight.sum()
    centre = share @ Z
    between = (Z - centre).T @ (share[:, None] * (Z - centre))
    square = Z.T @ (share[:, None] * Z)
    kappa = posterior.draws.kappa
    factors = np.zeros((len(posterior.varying), posterior.n_draws))
    for g, columns in enumerate(posterior.varying):
        of_factor = square[np.ix_(columns, columns)]
        factors[g] = np.einsum("ij,ijs->s", of_factor, posterior.covariance(g))
    mean = np.zeros(posterior.n_draws)
    if _has_typical_mean(posterior):
        for rows, of_rows in _means(posterior, X):
            mean += share[rows] @ of_rows
    return VarianceParts(
        population=np.maximum(np.einsum("ij,is,js->s", between, kappa, kappa), 0.0),
        factors=np.maximum(factors, 0.0),
        own=_own(posterior, mean),
    )


def variance_by_row(posterior: Posterior, X: Floats) -> Iterator[tuple[slice, VarianceParts]]:
    """Of each row alone, at its predictors, a block of rows X (n, p) at a time."""
    G, size = len(posterior.varying), 8 * posterior.n_draws
    for rows in blocks(len(X), BLOCK_BYTES // (size * (G + 4))):
        Z = _predictors(posterior, X[rows])
        nothing = np.zeros((len(Z), posterior.n_draws))
        factors = [_of_factor(posterior, Z, g) for g in range(G)]
        mean = nothing
        if _has_typical_mean(posterior):
            mean = np.empty_like(nothing)
            for some, of_rows in _means(posterior, X[rows]):
                mean[some] = of_rows
        own = np.broadcast_to(_own(posterior, mean), nothing.shape)
        yield rows, VarianceParts(nothing, np.reshape(factors, (G, *nothing.shape)), own)


def _predictors(posterior: Posterior, X: Floats) -> Floats:
    """What coefficients multiply, (n, K), without the offset, which is nobody's part."""
    return posterior.units.centred(X)[:, : len(posterior.draws.kappa)]


def _of_factor(posterior: Posterior, Z: Floats, g: int) -> Floats:
    """z' Sigma_g z of each row, (n, S)."""
    columns = np.full((len(Z), len(posterior.varying)), NO_EFFECT)
    columns[:, g] = NEW
    return np.array(prediction.variance_of_new(posterior, Z, columns))


def _has_typical_mean(posterior: Posterior) -> bool:
    """Whether the outcome's own variance on eta's scale depends on its mean: that of counts."""
    return posterior.family.is_discrete and not posterior.family.is_binary


def _means(posterior: Posterior, X: Floats) -> Iterator[tuple[Ints, Floats]]:
    """Expected outcomes (b, S) of some rows, of levels as there may be."""
    everything = np.full((len(X), len(posterior.varying)), NO_EFFECT)
    link = posterior.family.link
    for rows, eta in prediction.draws_of_eta(posterior, X, everything, width=4):
        Z = posterior.units.centred(X[rows])
        spread = prediction.variance_of_new(posterior, Z, np.full_like(everything[rows], NEW))
        with np.errstate(over="ignore"):
            yield rows, link.mean_over_normal(eta, spread)


def _own(posterior: Posterior, mean: Floats) -> Floats:
    """The outcome's own variance where it has this mean."""
    return posterior.family.own_variance(mean, posterior.auxiliary)
