"""An independent posterior where the outcome is yes or no, a count or an amount.

As `oracle.py`, whose parts it uses, it shares no code with the package: densities are those of
scipy. eta = offset + D theta, and, counted w_i times where w_i is not the number of trials,

    y_i w_i ~ binomial(w_i, expit(eta_i))                           "binomial"
    y_i ~ poisson(exp(eta_i))                                       "poisson"
    y_i ~ poisson(exp(eta_i) u_i),   u_i ~ gamma(1/o^2, 1/o^2)      "negative_binomial"
    y_i ~ gamma(1/c^2, 1/(c^2 exp(eta_i)))                          "gamma"

The auxiliary parameter, o or c, is where sigma is in `oracle.py`.

Draws of phi come from kernels around pilot draws; theta given phi from a normal distribution about
the mode of p(theta | phi, y), found by Newton steps, which it matches but for a scale 1.1 times as
large. Importance weights of phi and theta together make good what these are not, so that neither
mode nor curvature need be right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from tests.oracle import (
    Array,
    Model,
    Posterior,
    Scales,
    batches,
    cholesky,
    kernel_draws,
    pilot,
    prior_precision,
    solve,
    solve_transposed,
    unpack,
    weighted_posterior,
)

HALF_NORMAL = (np.inf, 0.0, 1.0)
WIDER = 1.1
"""Scale of the proposal of theta, which is then wider than the posterior in its tails."""


class Outcome(NamedTuple):
    """log p(y | eta) of rows, its slope and its curvature; s is 1/o^2 or 1/c^2."""

    log_density: Callable[[Array, Array, Array], Array]
    score: Callable[[Array, Array, Array], Array]
    curvature: Callable[[Array, Array, Array], Array]


def _hidden_share(eta: Array, s: Array) -> Array:
    """mu / (mu + s)."""
    return np.asarray(special.expit(eta - np.log(s)))


OUTCOMES = {
    "binomial": Outcome(
        lambda y, eta, _: y * special.log_expit(eta) + (1 - y) * special.log_expit(-eta),
        lambda y, eta, _: y - special.expit(eta),
        lambda _, eta, __: special.expit(eta) * special.expit(-eta),
    ),
    "poisson": Outcome(
        lambda y, eta, _: stats.poisson.logpmf(y, np.exp(eta)),
        lambda y, eta, _: y - np.exp(eta),
        lambda _, eta, __: np.exp(eta),
    ),
    "negative_binomial": Outcome(
        lambda y, eta, s: stats.nbinom.logpmf(y, s, s / (s + np.exp(eta))),
        lambda y, eta, s: y - (y + s) * _hidden_share(eta, s),
        lambda y, eta, s: (y + s) * _hidden_share(eta, s) * (1 - _hidden_share(eta, s)),
    ),
    "gamma": Outcome(
        lambda y, eta, s: stats.gamma.logpdf(y, s, scale=np.exp(eta) / s),
        lambda y, eta, s: s * (y * np.exp(-eta) - 1),
        lambda y, eta, s: s * y * np.exp(-eta),
    ),
}
HAVE_AUXILIARY = {"negative_binomial": "overdispersion", "gamma": "cv"}


@dataclass(frozen=True)
class LinkModel(Model):
    """A model of another outcome; ``sigma_prior`` is that of the auxiliary parameter."""

    family: str = "poisson"
    offset: Array | float = 0.0

    @property
    def outcome(self) -> Outcome:
        """What the family says of rows."""
        return OUTCOMES[self.family]


class Proposal(NamedTuple):
    """theta ~ normal(mode, 1.1^2 (CC')^-1) for each phi, under a prior of precision Q about loc."""

    scales: Scales
    log_prior: Array
    Q: Array
    loc: Array
    mode: Array
    C: Array


def link_posterior(model: LinkModel, n_draws: int = 4000, seed: int = 0) -> Posterior:
    """The posterior, by importance sampling of the scales and theta together."""
    scales, theta, weight = link_draws(model, n_draws, seed)
    return weighted_posterior(model, weight, scales, theta)


def link_draws(model: LinkModel, n_draws: int = 4000, seed: int = 0) -> tuple[Scales, Array, Array]:
    """Scales, theta (S, P) and weights (S,) of draws, for functions of several parameters."""
    rng = np.random.default_rng(seed)

    def log_p(phi: Array) -> Array:
        return _draw(model, phi, rng)[1]

    centres, covariance = pilot(log_p, np.full(model.n_scales, -0.5), n_draws, rng)
    phi, log_q = kernel_draws(centres, covariance, n_draws, rng)
    theta, log_ratio = _draw(model, phi, rng)
    return unpack(model, phi)[0], theta, special.softmax(log_ratio - log_q)


def _draw(model: LinkModel, phi: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """theta (S, P) for each phi, and log p(y, theta, phi) / q(theta | phi) up to a constant."""
    thetas, log_ratios = [], []
    start = propose(model, phi.mean(axis=0, keepdims=True), np.zeros(model.starts[-1]), steps=30)
    for part in batches(phi):
        given = propose(model, part, start.mode[0], steps=4)
        noise = rng.normal(size=given.mode.shape)
        theta = given.mode + WIDER * solve_transposed(given.C, noise)
        log_q = _log_root(given.C) - (noise**2).sum(axis=1) / 2
        thetas.append(theta)
        log_ratios.append(_log_joint(model, given, theta) - log_q)
    return np.concatenate(thetas), np.concatenate(log_ratios)


def propose(model: LinkModel, phi: Array, start: Array, steps: int) -> Proposal:
    """Newton steps from start (P,), none of which changes an eta by more than 2."""
    scales, log_prior = unpack(model, phi)
    Q, _, loc = prior_precision(model, scales)
    s = scales.sigma[:, None] ** -2.0
    outer = (model.D[:, :, None] * model.D[:, None, :]).reshape(len(model.y), -1)
    mode = np.tile(start, (len(phi), 1))
    for step in range(steps + 1):
        eta = model.offset + mode @ model.D.T
        curvature = model.w * model.outcome.curvature(model.y, eta, s)
        C = cholesky(Q + (curvature @ outer).reshape(Q.shape))
        if step < steps:
            score = (model.w * model.outcome.score(model.y, eta, s)) @ model.D
            slope = score - np.einsum("sij,sj->si", Q, mode - loc)
            change = solve_transposed(C, solve(C, slope))
            largest = np.abs(change @ model.D.T).max(axis=1, keepdims=True)
            mode = mode + change * np.minimum(1, 2 / np.maximum(largest, 1e-300))
    return Proposal(scales, log_prior, Q, loc, mode, C)


def _log_joint(model: LinkModel, given: Proposal, theta: Array) -> Array:
    """log p(y | theta, phi) p(theta | phi) p(phi) up to a constant (S,)."""
    s = given.scales.sigma[:, None] ** -2.0
    rows = model.outcome.log_density(model.y, model.offset + theta @ model.D.T, s)
    off = theta - given.loc
    prior = _log_root(cholesky(given.Q)) - np.einsum("si,sij,sj->s", off, given.Q, off) / 2
    return np.asarray(rows @ model.w + prior + given.log_prior)


def _log_root(C: Array) -> Array:
    """log|C| of triangular C (S, P, P)."""
    return np.asarray(np.log(np.diagonal(C, axis1=1, axis2=2)).sum(axis=1))
