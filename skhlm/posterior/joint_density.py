"""The density of many rows together, in which rows of a new level share its unknown effects.

Given a posterior draw, rows depend on each other only through effects of new levels, u with prior
N(0, Sigma) for each level. They are integrated out draw by draw,

    p_s = integral of prod_i p(y_i | eta_i^s + z_i' u, sigma^s, nu^s)^w_i dN(u; 0, Sigma^s),

and log mean_s p_s is returned. Levels that share no row, directly or through others, are
independent given s: each such component has an integral of its own. Roots R with R R' = Sigma give
standard normal effects v, u = R v, so that a scale tau of 0 is nothing special.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri
from scipy.stats import qmc

from skhlm._typing import Floats, Ints
from skhlm.families.location import LocationFamily
from skhlm.numerics.blocks import JOINT_BYTES, blocks
from skhlm.numerics.log_sums import log_mean_exp
from skhlm.numerics.small_matrices import root
from skhlm.posterior.posterior import NEW, Posterior, without_new

_N_POINTS = 16  # of the importance sampler, from each of its two proposals
_N_STEPS = 10  # towards the mode that centres one of them


def joint_log_density(
    posterior: Posterior,
    X: Floats,
    codes: Ints,
    new_levels: Ints,
    y: Floats,
    weight: Floats,
) -> float:
    """Log density of all rows together, effects of new levels integrated out.

    Parameters
    ----------
    posterior : Posterior
    X, codes
        Predictors (n, p) and levels (n, G) of the rows.
    new_levels : ndarray of shape (n, G)
        Where a code is `NEW`, which new level of the factor it is; rows of one share its effects.
    y, weight : ndarrays of shape (n,)
        Outcomes, and how often each is observed.

    Returns
    -------
    float

    Notes
    -----
    Normal residuals: exact given the draws. Student-t residuals: importance sampling from a
    defensive mixture, half the prior and half a normal distribution about the mode, at randomly
    shifted Sobol points. Each p_s is unbiased and its errors are independent of the others', so
    that their mean over the draws is far more accurate than any of them: some hundredths of the
    logarithm for 40 new levels at 1000 draws. Cost and memory for a component with q new effects
    are those of Cholesky factors of (q, q), one a draw; with 4800 draws a new level of a few
    coefficients takes a hundredth of a second for normal residuals, a tenth for Student-t ones.

    References
    ----------
    Hesterberg (1995). Weighted average importance sampling and defensive mixture distributions.
    Technometrics 37. doi:10.1080/00401706.1995.10484303
    """
    Z = posterior.units.centred(X)
    parts = list(_components(Z, codes, new_levels, posterior.varying))
    known = without_new(codes)
    roots = [root(posterior.covariance(g)) for g in range(len(posterior.varying))]
    rng = np.random.default_rng(0)
    result = np.empty(posterior.n_draws)
    for draws in blocks(posterior.n_draws, JOINT_BYTES // (8 * _size(len(X), parts, posterior))):
        some = {name: values[draws] for name, values in posterior.auxiliary.items()}
        noise = _Noise(posterior.family, some)
        residual = y[:, None] - posterior.draws.some(draws).expected_value(Z, known)
        total = np.zeros(residual.shape[1])
        alone = np.ones(len(y), dtype=bool)
        for part in parts:
            alone[part.rows] = False
            of_part = part.root([of_factor[draws] for of_factor in roots])
            total += noise.integral(part.Z @ of_part, residual[part.rows].T, weight[part.rows], rng)
        result[draws] = total + noise.log_likelihood(residual[alone].T, weight[alone])
    return float(log_mean_exp(result))


@dataclass(frozen=True)
class _Component:
    """Rows that depend on each other through new levels, and the effects that they share.

    ===========  ========  ==================================================
    ``rows``     (m,)      which rows
    ``Z``        (m, q)    their predictors, at the effects of their levels
    ``factors``            the factor of each new level, in the order of Z
    ===========  ========  ==================================================
    """

    rows: Ints
    Z: Floats
    factors: tuple[int, ...]

    def root(self, roots: Sequence[Floats]) -> Floats:
        """R with R R' = Sigma of all its effects, (S, q, q), from those of the factors."""
        q = self.Z.shape[1]
        result = np.zeros((len(roots[0]), q, q))
        start = 0
        for g in self.factors:
            stop = start + roots[g].shape[1]
            result[:, start:stop, start:stop] = roots[g]
            start = stop
        return result


@dataclass(frozen=True)
class _Noise:
    """Residuals of some draws: the family's parameters, (S,) each."""

    family: LocationFamily
    auxiliary: dict[str, Floats]

    def _beside(self, n_axes: int) -> dict[str, Floats]:
        """The parameters beside arrays whose first axis of so many is that of the draws."""
        ahead = (slice(None), *(None,) * (n_axes - 1))
        return {name: values[ahead] for name, values in self.auxiliary.items()}

    def log_likelihood(self, residual: Floats, weight: Floats) -> Floats:
        """Sum over rows of w_i log p(r_i): (S, ..., m) -> (S, ...)."""
        aux = self._beside(residual.ndim)
        total: Floats = self.family.log_density_of_error(residual, aux) @ weight
        return total

    def integral(
        self, B: Floats, residual: Floats, weight: Floats, rng: np.random.Generator
    ) -> Floats:
        """Log integral of prod_i p(r_i - b_i' v)^w_i dN(v; 0, I), (S,): B (S, m, q), r (S, m)."""
        if self.family.is_gaussian:
            return self._exactly(B, residual, weight)
        return self._by_importance(B, residual, weight, rng)

    def _exactly(self, B: Floats, residual: Floats, weight: Floats) -> Floats:
        """log p(r - B v) - v'v / 2 at the mode of v, - log|H| / 2; H as in `_newton`.

        The same from v = 0 would lose all digits where sigma is small beside the effects.
        """
        precision = self.family.robust_precision(weight, residual, self._beside(2))
        L, mode = self._newton(B, residual, precision)
        log_integral = self.log_likelihood(residual - np.einsum("smq,sq->sm", B, mode), weight)
        log_integral -= 0.5 * (mode**2).sum(axis=1) + _log_det(L)
        return log_integral

    def _newton(self, B: Floats, residual: Floats, precision: Floats) -> tuple[Floats, Floats]:
        """Cholesky factor of H = I + B' W B, and H^-1 c with c = B' W r, W the precisions."""
        scaled = B * precision[:, :, None]
        H = np.eye(B.shape[2]) + _T(scaled) @ B
        c = np.einsum("smq,sm->sq", scaled, residual)
        L = np.linalg.cholesky(H).astype(np.float64, copy=False)
        return L, _solve_each(H, c[:, None])[:, 0]

    def _by_importance(
        self, B: Floats, residual: Floats, weight: Floats, rng: np.random.Generator
    ) -> Floats:
        """Mean of likelihood x prior / proposal over points of both proposals."""
        L, mode = self._laplace(B, residual, weight)
        far, near = (_normal_points(len(B), B.shape[2], rng) for _ in range(2))
        near = mode[:, None] + _solve_each(_T(L), near)
        v = np.concatenate([far, near], axis=1)
        log_prior = -0.5 * (v**2).sum(axis=2)
        log_near = -0.5 * (((v - mode[:, None]) @ L) ** 2).sum(axis=2) + _log_det(L)[:, None]
        log_proposal = np.logaddexp(log_prior, log_near) - np.log(2)
        likelihood = self.log_likelihood(residual[:, None] - v @ _T(B), weight)
        return log_mean_exp(likelihood + log_prior - log_proposal)

    def _laplace(self, B: Floats, residual: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """Root of the precision about the mode of v, and the mode, by reweighted least squares.

        The precisions at the end are rows' expected information where the error is small, and
        nearly nothing for an outlier.
        """
        aux = self._beside(2)
        mode = np.zeros((len(B), B.shape[2]))
        for _ in range(_N_STEPS):
            error = residual - np.einsum("smq,sq->sm", B, mode)
            _, mode = self._newton(B, residual, self.family.robust_precision(weight, error, aux))
        L, _ = self._newton(B, residual, self.family.expected_precision(weight, error, aux))
        return L, mode


def _components(
    Z: Floats, codes: Ints, new_levels: Ints, varying: Sequence[Ints]
) -> Iterator[_Component]:
    """Sets of rows that new levels connect; rows without new levels are in none."""
    row, factor = np.nonzero(codes == NEW)
    pairs = np.column_stack([factor, new_levels[row, factor]])
    levels, level = np.unique(pairs, axis=0, return_inverse=True)
    n, size = len(Z), len(Z) + len(levels)
    edges = (np.ones(len(row)), (row, n + level.reshape(-1)))
    _, label = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    rows_of, levels_of = (_members(part.astype(np.int64)) for part in (label[:n], label[n:]))
    for name, chosen in levels_of.items():
        rows = rows_of[name]
        columns = [
            Z[np.ix_(rows, varying[g])] * (new_levels[rows, g] == number)[:, None]
            for g, number in levels[chosen]
        ]
        yield _Component(rows, np.column_stack(columns), tuple(levels[chosen, 0].tolist()))


def _members(label: Ints) -> dict[int, Ints]:
    """Positions of each label, by label, both increasing."""
    order = np.argsort(label, kind="stable")
    names, starts = np.unique(label[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=bool(len(names))))


def _normal_points(n_draws: int, q: int, rng: np.random.Generator) -> Floats:
    """Standard normal points for each draw, (S, points, q): Sobol's, with a random shift."""
    sobol = qmc.Sobol(q, scramble=False).random(_N_POINTS)
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


def _size(n_rows: int, parts: Sequence[_Component], posterior: Posterior) -> int:
    """Numbers that one draw keeps in memory."""
    n_points = 1 if posterior.family.is_gaussian else 2 * _N_POINTS
    largest = max((_size_of(part, n_points) for part in parts), default=0)
    return 3 * n_rows + largest + 1


def _size_of(part: _Component, n_points: int) -> int:
    """The same for one component."""
    m, q = map(int, part.Z.shape)
    return 2 * m * q + 3 * q**2 + 3 * n_points * (m + q)
