"""The density of many rows together, in which rows of a new level share its unknown effects.

Given a posterior draw, rows depend on each other only through effects of new levels, u with prior
N(0, Sigma) for each level. They are integrated out draw by draw,

    p_s = integral of prod_i p(y_i | eta_i^s + z_i' u, the draw)^w_i dN(u; 0, Sigma^s),

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

from skhlm._typing import Floats, Ints
from skhlm.numerics.blocks import JOINT_BYTES, blocks
from skhlm.numerics.log_sums import log_mean_exp
from skhlm.numerics.small_matrices import root
from skhlm.posterior.joint_likelihoods import N_POINTS
from skhlm.posterior.posterior import NEW, Posterior, without_new


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
    Normal residuals: exact given the draws. Other families: importance sampling from a
    defensive mixture, half the prior and half a normal distribution about the mode, at randomly
    shifted Sobol points. Each p_s is unbiased and its errors are independent of the others', so
    that their mean over the draws is far more accurate than any of them: some hundredths of the
    logarithm for 40 new levels at 1000 draws. Cost and memory for a component with q new effects
    are those of Cholesky factors of (q, q), one a draw; with 4800 draws a new level of a few
    coefficients takes a hundredth of a second for normal residuals, a tenth for other families.

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
        eta = posterior.draws.some(draws).expected_value(Z, known)
        likelihood = posterior.outcome.likelihood(draws, eta, y, weight)
        total = np.zeros(eta.shape[1])
        alone = np.ones(len(y), dtype=bool)
        for part in parts:
            alone[part.rows] = False
            of_part = part.root([of_factor[draws] for of_factor in roots])
            total += likelihood.of_rows(part.rows).integral(part.Z @ of_part, rng)
        alone_with = likelihood.of_rows(np.flatnonzero(alone))
        result[draws] = total + alone_with.log_density(np.zeros((len(total), int(alone.sum()))))
    return float(log_mean_exp(result) + posterior.outcome.log_constant(y, weight).sum())


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


def _size(n_rows: int, parts: Sequence[_Component], posterior: Posterior) -> int:
    """Numbers that one draw keeps in memory."""
    n_points = 1 if posterior.family.is_gaussian else 2 * N_POINTS
    largest = max((_size_of(part, n_points) for part in parts), default=0)
    return 3 * n_rows + largest + 1


def _size_of(part: _Component, n_points: int) -> int:
    """The same for one component."""
    m, q = map(int, part.Z.shape)
    return 2 * m * q + 3 * q**2 + 3 * n_points * (m + q)
