"""The tree map as its formulas stand, one draw at a time: what the vectorised map is tested against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Mapped:
    """One draw: effects delta (J_g, K_g) of each factor, roots q (R, K), kappa, and the scales."""

    kappa: np.ndarray
    delta: list[np.ndarray]
    q: np.ndarray
    tau: list[np.ndarray]
    omega: list[np.ndarray]
    sigma: float
    nu: float | None
    log_jacobian: float  # log |d(kappa, q_2.., delta) / d(z_root, z_delta)|
    log_auxiliary: float  # of the roots t >= 2, constants dropped


def loop_map(z, problem, forest, constants):
    """Coordinates of one draw, a dict of arrays, through the map."""
    K, G, m = problem.X.shape[1], len(problem.n_levels), constants
    log_sigma, nu, share = m.log_sigma[0] + m.log_sigma[1] * z["z_sigma"], None, 1.0
    if problem.family == "student_t":
        nu = 1 + np.exp(bent(m.log_nu, z["z_nu"]))
        log_sigma, share = log_sigma + m.log_sigma[2] * z["z_nu"], (nu + 1) / (nu + 3)
    c = share / np.exp(2 * log_sigma) / np.exp(m.log_c)
    tau, omega, P, noise = [None] * G, [None] * G, [None] * G, [None] * G
    i_tau = i_omega = i_delta = 0
    for g in forest.order:
        k, J = len(problem.varying[g]), problem.n_levels[g]
        tau[g] = np.exp(bent(m.log_tau[g], z["z_tau"][i_tau : i_tau + k]))
        n = k * (k - 1) // 2 if problem.covariance == "full" else 0
        L = cholesky_of_correlations(np.tanh(z["z_omega"][i_omega : i_omega + n]), k)
        omega[g], scaled = L @ L.T, tau[g][:, None] * L
        P[g] = np.linalg.inv(scaled @ scaled.T)
        noise[g] = z["z_delta"][i_delta : i_delta + J * k].reshape(J, k)
        i_tau, i_omega, i_delta = i_tau + k, i_omega + n, i_delta + J * k
    delta = [np.zeros((J, len(a))) for J, a in zip(problem.n_levels, problem.varying, strict=True)]
    q = np.zeros((max(1, len(forest.chains)), K))
    kappa, log_jacobian, log_auxiliary = np.zeros(K), 0.0, 0.0
    for t, chain in enumerate(forest.chains or ((),)):
        below = {}
        if chain:
            below[chain[-1]] = c * m.leaf_information[t], c * m.leaf_score[t]
            top = np.zeros((K, K)), np.zeros(K)
        else:
            top = c * m.root_information, c * m.root_score
        for depth in reversed(range(len(chain))):
            g = chain[depth]
            A = np.eye(K)[problem.varying[g]]
            n_parents = problem.n_levels[chain[depth - 1]] if depth else 1
            F_up, s_up = np.zeros((n_parents, K, K)), np.zeros((n_parents, K))
            for level in range(problem.n_levels[g]):
                F, s = below[g][0][level], below[g][1][level]
                V = np.linalg.inv(A @ F @ A.T + P[g])
                M = np.eye(K) - F @ A.T @ V @ A
                F_up[forest.parents[g][level]] += M @ F
                s_up[forest.parents[g][level]] += M @ s
                log_jacobian += 0.5 * np.linalg.slogdet(V)[1]
            if depth:
                below[chain[depth - 1]] = F_up, s_up
            else:
                top = F_up[0], s_up[0]
        F, s = top
        if t == 0:
            F, s = F + np.diag(m.prior_precision), s + m.prior_score
        Q = np.linalg.inv(np.linalg.cholesky(F))
        q[t] = Q.T @ (Q @ s + z["z_root"][:, t])
        log_jacobian += 0.5 * np.linalg.slogdet(Q.T @ Q)[1]
        B = q[t][None]
        for g in chain:
            A = np.eye(K)[problem.varying[g]]
            totals = np.zeros((problem.n_levels[g], K))
            for level in range(problem.n_levels[g]):
                F, s, parent = (
                    below[g][0][level],
                    below[g][1][level],
                    B[forest.parents[g][level]],
                )
                Q = np.linalg.inv(np.linalg.cholesky(A @ F @ A.T + P[g]))
                delta[g][level] = Q.T @ (Q @ A @ (s - F @ parent) + noise[g][level])
                totals[level] = parent + A.T @ delta[g][level]
            B = totals
        if t == 0:
            kappa += q[0]
        else:
            contrast = sum(W @ (b - q[t]) for W, b in zip(m.contrast_weight[t], B, strict=True))
            kappa -= contrast
            r = m.auxiliary_mean[t] - q[t] - contrast
            log_auxiliary += K / 2 * np.log(c) - c / 2 * r @ m.auxiliary_information[t] @ r
    sigma = np.exp(log_sigma)
    return Mapped(kappa, delta, q, tau, omega, sigma, nu, log_jacobian, log_auxiliary)


def bent(a, z):
    """a + b z + c (sqrt(1 + z^2) - 1)."""
    return a[0] + a[1] * z + a[2] * (np.sqrt(1 + z * z) - 1)


def cholesky_of_correlations(partial, k):
    """L (k, k) from partial correlations row by row; the identity for none."""
    L = np.zeros((k, k))
    partial = list(partial)
    for i in range(k):
        for j in range(i if partial or i == 0 else 0):
            L[i, j] = partial.pop(0) * np.sqrt(1 - (L[i, :j] ** 2).sum())
        L[i, i] = np.sqrt(1 - (L[i, :i] ** 2).sum())
    return L
