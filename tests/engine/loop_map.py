"""The tree map as its formulas stand, draw by draw and level by level: an oracle without tricks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.linalg import inv


@dataclass
class Mapped:
    """One draw; q (R, K) are the roots, ``c`` the information of a row against the centre's."""

    auxiliary: dict = field(default_factory=dict)
    c: float = 0.0
    tau: dict = field(default_factory=dict)
    omega: dict = field(default_factory=dict)
    P: dict = field(default_factory=dict)
    z: dict = field(default_factory=dict)  # coordinates of each factor's effects, (J_g, K_g)
    below: dict = field(default_factory=dict)  # F and s of each factor's levels
    delta: dict = field(default_factory=dict)
    q: np.ndarray | None = None
    kappa: np.ndarray | None = None
    log_jacobian: float = 0.0  # log |d(kappa, q_2.., delta) / d(z_root, z_delta)|
    log_auxiliary: float = 0.0  # density of the roots t >= 2, constants dropped


def loop_map(z, problem, forest, constants):
    """Coordinates of one draw, a dict of arrays, through the map."""
    K, m = problem.n_coefficients, Mapped()
    map_scales(m, z, problem, forest, constants)
    m.q, m.kappa = np.zeros((max(1, len(forest.chains)), K)), np.zeros(K)
    for t, chain in enumerate(forest.chains or ((),)):
        F, s = collect(m, t, chain, problem, forest, constants)
        if t == 0:
            F, s = F + np.diag(constants.prior_precision), s + constants.prior_score
        Q = inv(np.linalg.cholesky(F))
        m.log_jacobian += np.log(np.diag(Q)).sum()
        m.q[t] = Q.T @ (Q @ s + z["z_root"][:, t])
        B = distribute(m, t, chain, problem, forest)
        if t == 0:
            m.kappa += m.q[0]
        else:
            add_contrast(m, t, B, constants)
    return m


def map_scales(m, z, problem, forest, constants):
    """All scales, and each factor's own coordinates."""
    parameters = problem.family.auxiliary
    for i, (parameter, cut) in enumerate(zip(parameters, problem.cuts, strict=True)):
        excess = bent(constants.log_aux[:, i], z["z_aux"][i]) + constants.aux_lean[i] @ z["z_aux"]
        m.auxiliary[parameter.name] = parameter.lower + cut + np.exp(excess)
    m.c = problem.family.information(0.0, m.auxiliary) / np.exp(constants.log_c)
    z_tau, z_omega, z_delta = iter(z["z_tau"]), iter(z["z_omega"]), iter(z["z_delta"])
    for g in forest.order:
        J, k = problem.n_levels[g], len(problem.varying[g])
        m.tau[g] = np.exp(bent(constants.log_tau[g], np.array([next(z_tau) for _ in range(k)])))
        L = np.eye(k)
        if problem.covariance == "full":
            L = cholesky_of_correlations(z_omega, k)
        m.omega[g] = L @ L.T
        m.P[g] = inv(m.omega[g] * np.outer(m.tau[g], m.tau[g]))
        m.z[g] = np.array([[next(z_delta) for _ in range(k)] for _ in range(J)])


def collect(m, t, chain, problem, forest, constants):
    """Information about the root: messages up the chain."""
    if not chain:
        return m.c * constants.root_information, m.c * constants.root_score
    m.below[chain[-1]] = m.c * constants.leaf_information[t], m.c * constants.leaf_score[t]
    K = problem.n_coefficients
    for depth in reversed(range(len(chain))):
        g, n_parents = chain[depth], problem.n_levels[chain[depth - 1]] if depth else 1
        A = np.eye(K)[problem.varying[g]]
        up = np.zeros((n_parents, K, K)), np.zeros((n_parents, K))
        for F, s, parent in zip(*m.below[g], forest.parents[g], strict=True):
            V = inv(A @ F @ A.T + m.P[g])
            M = np.eye(K) - F @ A.T @ V @ A
            up[0][parent] += M @ F
            up[1][parent] += M @ s
            m.log_jacobian += 0.5 * np.linalg.slogdet(V)[1]
        if depth:
            m.below[chain[depth - 1]] = up
    return up[0][0], up[1][0]


def distribute(m, t, chain, problem, forest):
    """Effects down the chain, and the leaf levels' totals."""
    B = m.q[t][None]
    for g in chain:
        A = np.eye(problem.n_coefficients)[problem.varying[g]]
        B, m.delta[g] = B[forest.parents[g]], np.zeros_like(m.z[g])
        for level, (F, s) in enumerate(zip(*m.below[g], strict=True)):
            Q = inv(np.linalg.cholesky(A @ F @ A.T + m.P[g]))
            m.delta[g][level] = Q.T @ (Q @ A @ (s - F @ B[level]) + m.z[g][level])
        B = B + m.delta[g] @ A
    return B


def add_contrast(m, t, B, constants):
    """The share of kappa, and the auxiliary density, of a tree that is not the first."""
    a = m.q[t] + sum(W @ (b - m.q[t]) for W, b in zip(constants.contrast_weight[t], B, strict=True))
    r = constants.auxiliary_mean[t] - a
    m.kappa += m.q[t] - a
    m.log_auxiliary += 0.5 * len(a) * np.log(m.c)
    m.log_auxiliary -= 0.5 * m.c * r @ constants.auxiliary_information[t] @ r


def bent(a, z):
    """a + b z + c (sqrt(1 + z^2) - 1)."""
    return a[0] + a[1] * z + a[2] * (np.sqrt(1 + z * z) - 1)


def cholesky_of_correlations(z, k):
    """L (k, k), its partial correlations tanh(z) row by row."""
    L = np.zeros((k, k))
    for i in range(k):
        for j in range(i):
            L[i, j] = np.tanh(next(z)) * np.sqrt(1 - (L[i, :j] ** 2).sum())
        L[i, i] = np.sqrt(1 - (L[i, :i] ** 2).sum())
    return L
