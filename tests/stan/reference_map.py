"""The tree map of hlm.stan once more: loops over one level at a time, straight from its formulas.

Everything is an analytic function of z, so complex steps give its derivatives to rounding error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhlm.families import FAMILIES, Family

Array = NDArray[Any]


@dataclass(frozen=True)
class Model:
    """Sizes and constants of the map, with the names and shapes of hlm.stan's data block."""

    data: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """A number, or an array that may be empty."""
        value = self.data[name]
        return value if np.isscalar(value) else np.asarray(value)

    def block(self, name: str, i: int) -> Array:
        """Matrix i of K x K matrices stored side by side."""
        K = self["K"]
        return self[name][:, K * i : K * (i + 1)]

    @property
    def family(self) -> Family:
        """The family of the outcome."""
        return next(known for known in FAMILIES.values() if known.code == self["family"])

    @property
    def auxiliary(self) -> list[str]:
        """Names of its auxiliary parameters."""
        return [parameter.name for parameter in self.family.auxiliary]

    @property
    def n_roots(self) -> int:
        """One root a tree, and one where there is no tree."""
        return max(self["T"], 1)

    @property
    def factors(self) -> Iterator[tuple[int, range, Array]]:
        """Factor number, level numbers from 0 and varying columns from 0."""
        first = column = 0
        for g, (J, m) in enumerate(zip(self["J"], self["n_varying"], strict=True)):
            yield g, range(first, first + J), self["varying"][column : column + m] - 1
            first, column = first + J, column + m


@dataclass
class Coordinates:
    """One point z, cut into the parameters of hlm.stan."""

    tau: Array
    aux: Array
    omega: Array
    root: Array
    delta: Array

    @staticmethod
    def sizes(model: Model) -> list[int]:
        """How many numbers each field has, in the order of the parameters block."""
        m, J = model["n_varying"], model["J"]
        omega = model["full"] * int((m * (m - 1) // 2).sum())
        return [
            int(m.sum()), model["n_aux"], omega, model["K"] * model.n_roots, int((J * m).sum())
        ]  # fmt: skip

    @classmethod
    def cut(cls, z: Array, model: Model) -> Coordinates:
        """From the program's unconstrained parameters."""
        tau, aux, omega, root, delta = np.split(z, np.cumsum(cls.sizes(model))[:-1])
        root = root.reshape(model["K"], model.n_roots, order="F")
        return cls(tau, aux, omega, root, delta)


@dataclass
class Parameters:
    """What a point stands for. Effects (K_g, J_g) and their Cholesky factors by factor."""

    kappa: Array
    log_tau: Array
    log_excess: Array  # of the auxiliary parameters above aux_min
    omega: Array  # atanh of the partial correlations
    auxiliary: Array  # (K, R - 1): roots of all trees but the first
    auxiliary_offset: Array  # their conditional means minus them
    c: Any
    covariance_cholesky: list[Array]
    delta: list[Array]

    def plain(self) -> Array:
        """Unconstrained parameters of hlm_plain.stan; its correlations are 2 inv_logit(.) - 1."""
        standardised = [
            np.linalg.solve(L, d).ravel(order="F")
            for L, d in zip(self.covariance_cholesky, self.delta, strict=True)
        ]
        scales = [*self.log_tau, *self.log_excess, *(2 * self.omega)]
        return np.concatenate([self.kappa, scales, *standardised])


def bend(z: Any, numbers: Array) -> Any:
    """a + b z + c (sqrt(1 + z^2) - 1)."""
    a, b, c = numbers
    return a + b * z + c * (np.sqrt(1 + z**2) - 1)


def cholesky(A: Array) -> Array:
    """Lower Cholesky factor, without conjugates."""
    R = np.zeros_like(A)
    for j in range(len(A)):
        R[j, j] = np.sqrt(A[j, j] - R[j, :j] @ R[j, :j])
        for i in range(j + 1, len(A)):
            R[i, j] = (A[i, j] - R[i, :j] @ R[j, :j]) / R[j, j]
    return R


def correlation_cholesky(partial: Array, m: int) -> Array:
    """Cholesky factor of a correlation matrix from partial correlations, row by row."""
    L = np.eye(m, dtype=partial.dtype)
    rest = iter(partial)
    for i in range(1, m):
        for j in range(i):
            L[i, j] = next(rest) * np.sqrt(1 - L[i, :j] @ L[i, :j])
        L[i, i] = np.sqrt(1 - L[i, :i] @ L[i, :i])
    return L


def conditional(F: Array, s: Array, z: Array) -> Array:
    """F^-1 s + R'^-1 z with F = R R'."""
    return np.linalg.solve(F, s) + np.linalg.solve(cholesky(F).T, z)


def push(z: Array, model: Model) -> Parameters:
    """Map one point z, real or complex."""
    at = Coordinates.cut(z, model)
    log_tau = bend(at.tau, model["log_tau"])
    log_excess = bend(at.aux, model["log_aux"]) + model["aux_lean"] @ at.aux
    aux = dict(zip(model.auxiliary, model["aux_min"] + np.exp(log_excess), strict=True))
    lower = [parameter.lower for parameter in model.family.auxiliary]
    logs = [np.log(value - low) for value, low in zip(aux.values(), lower, strict=True)]
    c = np.exp(model.family.log_information(logs) - model["log_c"])
    L = covariance_choleskys(log_tau, at.omega, model)
    kappa, auxiliary, offset, delta = coefficients(at, c, L, model)
    return Parameters(
        kappa, log_tau, log_excess, at.omega, auxiliary, offset, c, L, delta
    )  # fmt: skip


def covariance_choleskys(log_tau: Array, omega: Array, model: Model) -> list[Array]:
    """diag(tau_g) L_g for each factor."""
    result, column, correlation = [], 0, 0
    for m in model["n_varying"]:
        size = model["full"] * m * (m - 1) // 2
        L = np.eye(m, dtype=omega.dtype)
        if size:
            L = correlation_cholesky(np.tanh(omega[correlation : correlation + size]), m)
        result.append(np.exp(log_tau[column : column + m, None]) * L)
        column, correlation = column + m, correlation + size
    return result


def coefficients(
    at: Coordinates, c: Any, L: list[Array], model: Model
) -> tuple[Array, Array, Array, list[Array]]:
    """kappa (K,), auxiliary roots and offsets (K, R - 1), effects (K_g, J_g) by factor."""
    K, n_levels = model["K"], int(model["J"].sum())
    precisions = [np.linalg.inv(factor @ factor.T) for factor in L]
    parent = [
        model["parent"][level] - 1 if model["parent"][level] else n_levels + model["tree"][g] - 1
        for g, levels, _ in model.factors
        for level in levels
    ]
    F, s = upward(c, precisions, parent, model)
    B = np.zeros((n_levels + model.n_roots, K), dtype=at.delta.dtype)
    for t in range(model.n_roots):
        B[n_levels + t] = conditional(F[n_levels + t], s[n_levels + t], at.root[:, t])
    z, delta = iter(at.delta), []
    for g, levels, a in model.factors:
        delta.append(np.zeros((len(a), len(levels)), dtype=B.dtype))
        for j, level in enumerate(levels):
            above = B[parent[level]]
            news = s[level][a] - F[level][a] @ above
            z_level = np.array([next(z) for _ in a], dtype=B.dtype)
            delta[g][:, j] = conditional(F[level][np.ix_(a, a)] + precisions[g], news, z_level)
            B[level] = above
            B[level][a] += delta[g][:, j]
    return *roots(B, n_levels, model), delta


def upward(c: Any, precisions: list[Array], parent: list[int], model: Model) -> tuple[Array, Array]:
    """Information (L + R, K, K) and score (L + R, K) of levels, then roots."""
    K, n_levels = model["K"], len(parent)
    F = np.zeros((n_levels + model.n_roots, K, K), dtype=np.result_type(c, *precisions, float))
    s = np.zeros((n_levels + model.n_roots, K), dtype=F.dtype)
    F[n_levels] = np.diag(model["prior_precision"]) + c * model["root_information"]
    s[n_levels] = model["prior_score"] + c * model["root_score"]
    for g, levels, a in reversed(list(model.factors)):
        for level in levels:
            if model["is_leaf"][g]:
                F[level] = c * model.block("leaf_information", level)
                s[level] = c * model["leaf_score"][:, level]
            V = np.linalg.inv(F[level][np.ix_(a, a)] + precisions[g])
            M = np.eye(K) - F[level][:, a] @ V @ np.eye(K)[a]
            F[parent[level]] += M @ F[level]
            s[parent[level]] += M @ s[level]
    return F, s


def roots(B: Array, n_levels: int, model: Model) -> tuple[Array, Array, Array]:
    """kappa (K,), the auxiliary roots (K, R - 1), and ybar_t - e_t - q_t (K, R - 1)."""
    kappa, offset = B[n_levels].copy(), []
    for t in range(1, model.n_roots):
        leaves = [
            level
            for g, levels, _ in model.factors
            if model["is_leaf"][g] and model["tree"][g] == t + 1
            for level in levels
        ]
        q = B[n_levels + t]
        e = sum(model.block("contrast_weight", level) @ (B[level] - q) for level in leaves)
        kappa -= e
        offset.append(model["auxiliary_mean"][:, t] - e - q)
    shape = (model["K"], model.n_roots - 1)
    return kappa, B[n_levels + 1 :].T, np.array(offset).T.reshape(shape)


def log_jacobian(z: Array, model: Model) -> float:
    """log|d (plain parameters, auxiliary roots) / dz| by complex steps."""
    step = 1e-100

    def column(i: int) -> Array:
        shifted = z.astype(complex)
        shifted[i] += 1j * step
        theta = push(shifted, model)
        return np.concatenate([theta.plain(), theta.auxiliary.ravel()]).imag / step

    sign, value = np.linalg.slogdet(np.array([column(i) for i in range(len(z))]))
    assert sign != 0
    return float(value)


def log_auxiliary(theta: Parameters, model: Model) -> float:
    """Log density of the auxiliary roots given the effects, but for constants."""
    value = 0.0
    for t in range(1, model.n_roots):
        r = theta.auxiliary_offset[:, t - 1]
        S = theta.c * model.block("auxiliary_information", t)
        value += 0.5 * np.linalg.slogdet(S)[1] - 0.5 * r @ S @ r
    return value
