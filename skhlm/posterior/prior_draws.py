"""Draws of the model's parameters from their priors alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaincc, gammainccinv, ndtr, ndtri, stdtr, stdtrit

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.families import Auxiliary, Family
from skhlm.inputs.design import Units
from skhlm.posterior import prediction
from skhlm.posterior.posterior import Posterior
from skhlm.posterior.prediction import Kind
from skhlm.priors import Gamma, LocationScale, Priors


def prior_predictive(
    draws: Draws,
    varying: Sequence[Ints],
    units: Units,
    family: Family,
    X: Floats,
    codes: Ints,
    rng: np.random.Generator,
    kind: Kind = "outcome",
) -> Floats:
    """Outcomes, expected values or eta of rows X (n, p), levels (n, G), for each draw: (n, S).

    In the user's units; ``draws`` are in the model's, as `draw_priors` makes them.
    """
    prior = Posterior.from_draws(draws, varying, units, family)
    new_levels = np.full_like(codes, -1)
    return prediction.joint_draws(prior, X, codes, new_levels, prior.n_draws, rng, kind)


def draw_priors(
    priors: Priors,
    n_levels: Sequence[int],
    n_draws: int,
    rng: np.random.Generator,
    *,
    family: Family,
    covariance: str,
) -> Draws:
    """Independent draws of every parameter from its prior, in the units of the priors.

    Parameters
    ----------
    priors : Priors
    n_levels : sequence of int
        J_g, levels of each factor.
    n_draws : int
    rng : numpy.random.Generator
    family : Family
    covariance : {"diagonal", "full"}

    Returns
    -------
    Draws
        One chain of ``n_draws`` draws.
    """
    tau = tuple(_above_zero(prior, n_draws, rng) for prior in priors.tau)
    roots = [np.broadcast_to(np.eye(t.shape[1]), (*t.shape, t.shape[1])) for t in tau]
    if covariance == "full":
        roots = [_lkj_root(t.shape[1], priors.lkj, n_draws, rng) for t in tau]
    delta = tuple(
        t[:, None] * np.einsum("sij,slj->sli", root, rng.standard_normal((n_draws, J, t.shape[1])))
        for J, t, root in zip(n_levels, tau, roots, strict=True)
    )
    omega = tuple(root @ np.swapaxes(root, 1, 2) for root in roots)
    draws = Draws(
        kappa=_anywhere(priors.kappa, n_draws, rng),
        delta=delta,
        tau=tau,
        omega=omega if covariance == "full" else (),
        auxiliary={
            parameter.name: _auxiliary(priors.auxiliary[parameter.name], parameter, n_draws, rng)
            for parameter in family.auxiliary
        },
    )
    return draws.map(lambda values: values[None])


def _anywhere(prior: LocationScale, n_draws: int, rng: np.random.Generator) -> Floats:
    """Draws of student_t(df, loc, scale), (n_draws, K)."""
    return _quantile(prior, rng.random((n_draws, len(prior.loc))))


def _above_zero(prior: LocationScale, n_draws: int, rng: np.random.Generator) -> Floats:
    """The same cut at zero: by the inverse of its upper tail, which is exact far out."""
    above = _distribution(prior.df, prior.loc / prior.scale)
    tail = rng.random((n_draws, len(prior.loc))) * above
    return np.maximum(2 * prior.loc - _quantile(prior, tail), np.finfo(np.float64).tiny)


def _auxiliary(
    prior: LocationScale | Gamma, parameter: Auxiliary, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Draws of a parameter of the family above its bound, (n_draws,)."""
    if isinstance(prior, LocationScale):
        return _above_zero(prior, n_draws, rng)[:, 0]
    tail = rng.random(n_draws) * gammaincc(prior.shape, prior.rate * parameter.lower)
    drawn: Floats = np.maximum(gammainccinv(prior.shape, tail) / prior.rate, parameter.lower)
    return drawn


def _quantile(prior: LocationScale, p: Floats) -> Floats:
    """Quantiles of student_t(df, loc, scale) at p (n, K)."""
    finite = np.where(np.isinf(prior.df), 1.0, prior.df)
    standard = np.where(np.isinf(prior.df), ndtri(p), stdtrit(finite, p))
    quantile: Floats = prior.loc + prior.scale * standard
    return quantile


def _distribution(df: Floats, x: Floats) -> Floats:
    """Distribution function of student_t(df, 0, 1) at x, (K,) each; df may be infinite."""
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), ndtr(x), stdtr(finite, x))


def _lkj_root(size: int, shape: float, n_draws: int, rng: np.random.Generator) -> Floats:
    """Cholesky factors of correlation matrices from LKJ(shape), (n_draws, size, size).

    Partial correlations given the first j coefficients are 2 Beta(a, a) - 1 with
    a = shape + (size - 2 - j) / 2: Lewandowski, Kurowicka and Joe (2009),
    doi:10.1016/j.jmva.2009.04.008.
    """
    L = np.zeros((n_draws, size, size))
    left = np.ones((n_draws, size))  # of each row's squared length
    for j in range(size):
        L[:, j, j] = np.sqrt(left[:, j])
        a = shape + (size - 2 - j) / 2
        partial = 2 * rng.beta(a, a, (n_draws, size - 1 - j)) - 1
        L[:, j + 1 :, j] = partial * np.sqrt(left[:, j + 1 :])
        left[:, j + 1 :] *= 1 - partial**2
    return L
