"""The likelihood of rows that share unknown effects of new levels, and its integral over these.

For S draws, eta (S, m) and effects u = R v with standard normal v (q,): rows have eta + B v, and

    p_s = integral of prod_i p(y_i | eta_i + b_i' v)^w_i dN(v; 0, I)

is the exact one where the family is Gaussian; elsewhere it is estimated without bias, by importance
sampling from a defensive mixture, half the prior and half a normal distribution about the mode.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from skhlm._typing import Bools, Floats, Ints
from skhlm.families import Family, LocationFamily
from skhlm.numerics.log_sums import log_mean_exp

N_POINTS = 16  # of the importance sampler, from each of its two proposals
_N_STEPS = 10  # towards the mode that centres one of them
_MOST_STEPS, _FARTHEST, _THERE = 60, 4.0, 1e-4  # the same where a step may be too long
_MOST_HALVINGS, _MOST_DOUBLINGS = 30, 1000
_FAR = 0.5  # of eta: steps that are no shorter may be too short


@dataclass(frozen=True)
class Likelihood(ABC):
    """Rows in some draws: the family's parameters, (S,) each, and ``weight`` (m,)."""

    auxiliary: Mapping[str, Floats]
    weight: Floats

    @abstractmethod
    def of_rows(self, rows: Ints) -> Likelihood:
        """That of some rows."""

    @abstractmethod
    def log_density(self, shift: Floats) -> Floats:
        """Sum over rows of w_i log p(y_i | eta_i + shift_i): (S, ..., m) -> (S, ...)."""

    @abstractmethod
    def integral(self, B: Floats, rng: np.random.Generator) -> Floats:
        """Log integral over effects that the rows' B (S, m, q) multiply: (S,)."""

    def _beside(self, n_axes: int) -> dict[str, Floats]:
        """The parameters beside arrays whose first axis of so many is that of the draws."""
        ahead = (slice(None), *(None,) * (n_axes - 1))
        return {name: values[ahead] for name, values in self.auxiliary.items()}

    def _by_importance(
        self, B: Floats, L: Floats, mode: Floats, rng: np.random.Generator
    ) -> Floats:
        """Mean of likelihood x prior / proposal over points of both proposals.

        L (S, q, q) is a root of the precision about the mode (S, q).
        """
        far, near = (_normal_points(len(B), B.shape[2], rng) for _ in range(2))
        near = mode[:, None] + _solve_each(_T(L), near)
        v = np.concatenate([far, near], axis=1)
        log_prior = -0.5 * (v**2).sum(axis=2)
        log_near = -0.5 * (((v - mode[:, None]) @ L) ** 2).sum(axis=2) + _log_det(L)[:, None]
        log_proposal = np.logaddexp(log_prior, log_near) - np.log(2)
        return log_mean_exp(self.log_density(v @ _T(B)) + log_prior - log_proposal)


@dataclass(frozen=True)
class ResidualLikelihood(Likelihood):
    """Of families with residuals, ``residual`` (S, m)."""

    residual: Floats
    family: LocationFamily

    def of_rows(self, rows: Ints) -> ResidualLikelihood:
        """That of some rows."""
        return replace(self, residual=self.residual[:, rows], weight=self.weight[rows])

    def log_density(self, shift: Floats) -> Floats:
        """What is added to eta is taken from the residual."""
        ahead = (slice(None), *(None,) * (shift.ndim - 2))
        return self._sum(self.residual[ahead] - shift)

    def _sum(self, residual: Floats) -> Floats:
        aux = self._beside(residual.ndim)
        total: Floats = self.family.log_density_of_error(residual, aux) @ self.weight
        return total

    def integral(self, B: Floats, rng: np.random.Generator) -> Floats:
        """Exactly for normal residuals."""
        if self.family.is_gaussian:
            return self._exactly(B)
        return self._by_importance(B, *self._laplace(B), rng)

    def _exactly(self, B: Floats) -> Floats:
        """log p(r - B v) - v'v / 2 at the mode of v, - log|H| / 2; H as in `_newton`.

        The same from v = 0 would lose all digits where sigma is small beside the effects.
        """
        precision = self.family.robust_precision(self.weight, self.residual, self._beside(2))
        L, mode = self._newton(B, precision)
        log_integral = self._sum(self.residual - np.einsum("smq,sq->sm", B, mode))
        log_integral -= 0.5 * (mode**2).sum(axis=1) + _log_det(L)
        return log_integral

    def _newton(self, B: Floats, precision: Floats) -> tuple[Floats, Floats]:
        """Cholesky factor of H = I + B' W B, and H^-1 c with c = B' W r, W the precisions."""
        scaled = B * precision[:, :, None]
        H = np.eye(B.shape[2]) + _T(scaled) @ B
        c = np.einsum("smq,sm->sq", scaled, self.residual)
        L = np.linalg.cholesky(H).astype(np.float64, copy=False)
        return L, _solve_each(H, c[:, None])[:, 0]

    def _laplace(self, B: Floats) -> tuple[Floats, Floats]:
        """Root of the precision about the mode of v, and the mode, by reweighted least squares.

        The precisions at the end are rows' expected information where the error is small, and
        nearly nothing for an outlier.
        """
        aux, weight = self._beside(2), self.weight
        mode = np.zeros((len(B), B.shape[2]))
        for _ in range(_N_STEPS):
            error = self.residual - np.einsum("smq,sq->sm", B, mode)
            _, mode = self._newton(B, self.family.robust_precision(weight, error, aux))
        L, _ = self._newton(B, self.family.expected_precision(weight, error, aux))
        return L, mode


@dataclass(frozen=True)
class LinkLikelihood(Likelihood):
    """Of families whose log density is concave in ``eta`` (S, m), at outcomes ``y`` (m,)."""

    eta: Floats
    y: Floats
    family: Family

    def of_rows(self, rows: Ints) -> LinkLikelihood:
        """That of some rows."""
        return replace(self, eta=self.eta[:, rows], y=self.y[rows], weight=self.weight[rows])

    def log_density(self, shift: Floats) -> Floats:
        """Without the constants of weights."""
        ahead = (slice(None), *(None,) * (shift.ndim - 2))
        eta = self.eta[ahead] + shift
        total: Floats = self.family.log_density(self.y, eta, self._beside(eta.ndim)) @ self.weight
        return total

    def integral(self, B: Floats, rng: np.random.Generator) -> Floats:
        """By importance sampling."""
        mode, L = np.zeros((len(B), B.shape[2])), np.empty((len(B), *2 * B.shape[2:]))
        for _ in range(_MOST_STEPS):
            L, gradient = self._expansion(B, mode)
            step = _solve_each(_T(L), _solve_each(L, gradient[:, None]))[:, 0]
            mode = self._ahead(B, mode, step)
            if (np.square(_T(L) @ step[:, :, None]).sum(axis=(1, 2)) < _THERE).all():
                break
        return self._by_importance(B, self._expansion(B, mode)[0], mode, rng)

    def _expansion(self, B: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Cholesky factor of I + B' W B, W the curvatures at v; the gradient of the integrand."""
        eta, aux = self.eta + np.einsum("smq,sq->sm", B, v), self._beside(2)
        curvature = self.weight * np.maximum(self.family.curvature(self.y, eta, aux), 0)
        H = np.eye(B.shape[2]) + _T(B * curvature[:, :, None]) @ B
        score = self.weight * self.family.score(self.y, eta, aux)
        L = np.linalg.cholesky(H).astype(np.float64, copy=False)
        return L, np.einsum("smq,sm->sq", B, score) - v

    def _ahead(self, B: Floats, v: Floats, step: Floats) -> Floats:
        """A step halved until the integrand does not fall, or doubled for as long as it rises.

        Newton's moves no eta by more than 4, and where the likelihood falls as exp(-exp(eta)) by no
        more than 1 however far the mode is.
        """
        moved = np.abs(np.einsum("smq,sq->sm", B, step)).max(axis=1)
        step = step * np.minimum(1, _FARTHEST / np.maximum(moved, _FARTHEST))[:, None]
        before = self._integrand(B, v)
        for _ in range(_MOST_HALVINGS):
            falls = self._integrand(B, v + step) < before
            if not falls.any():
                break
            step = np.where(falls[:, None], 0.5 * step, step)
        return v + self._doubled(B, v, step, moved >= _FAR)

    def _doubled(self, B: Floats, v: Floats, step: Floats, rises: Bools) -> Floats:
        """Steps, some of which are doubled for as long as that raises the integrand."""
        for _ in range(_MOST_DOUBLINGS):
            if not rises.any():
                break
            more = self._integrand(B, v + 2 * step) > self._integrand(B, v + step)
            rises = rises & more
            step = np.where(rises[:, None], 2 * step, step)
        return step

    def _integrand(self, B: Floats, v: Floats) -> Floats:
        density: Floats = self.log_density(np.einsum("smq,sq->sm", B, v))
        density -= 0.5 * np.square(v).sum(axis=1)
        return density


def _normal_points(n_draws: int, q: int, rng: np.random.Generator) -> Floats:
    """Standard normal points for each draw, (S, points, q): Sobol's, with a random shift."""
    sobol = qmc.Sobol(q, scramble=False).random(N_POINTS)
    shifted = (sobol + rng.random((n_draws, 1, q))) % 1
    points: Floats = ndtri(np.clip(shifted, 1e-16, 1 - 1e-16))
    return points


def _log_det(L: Floats) -> Floats:
    """Log determinant of triangular matrices, (S, q, q) -> (S,)."""
    log_det: Floats = np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1)
    return log_det


def _solve_each(A: Floats, b: Floats) -> Floats:
    """A^-1 b for the rows b of each draw: (S, q, q) and (S, m, q) -> (S, m, q)."""
    solution: Floats = np.linalg.solve(A, _T(b)).astype(np.float64, copy=False)
    return _T(solution)


def _T(matrices: Floats) -> Floats:
    """Transposes of the matrices in the last two axes."""
    return np.swapaxes(matrices, -1, -2)
