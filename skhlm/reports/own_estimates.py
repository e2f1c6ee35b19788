"""What the rows of each level say of its coefficients behind a link: maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.families import Family
from skhlm.numerics.cell_sums import sum_by_cell, sum_products
from skhlm.numerics.pseudo_inverse import pseudo_inverse

_MOST_STEPS = 60
_FARTHEST = 2.0  # that a step takes the eta of any row
_THERE = 1e-8  # a step that takes no row's eta farther is the last
_ROUNDING = 1e-10  # relative, of a log likelihood


@dataclass(frozen=True)
class OwnRows:
    """Rows of the levels of a factor, and the rest of their eta, which is taken as known.

    ==========  ========  =================================================
    ``Z``       (N, K_g)  predictors whose coefficients vary by the factor
    ``y``       (N,)
    ``weight``  (N,)
    ``level``   (N,)      of each row
    ``rest``    (N,)      eta without the level's own coefficients
    ==========  ========  =================================================
    """

    Z: Floats
    y: Floats
    weight: Floats
    level: Ints
    rest: Floats

    def some(self, rows: Bools) -> OwnRows:
        """Some of them."""
        return OwnRows(*(values[rows] for values in vars(self).values()))

    def part(self, theta: Floats) -> Floats:
        """z' theta of the rows' levels, theta (J, K_g): (N,)."""
        value: Floats = (self.Z * theta[self.level]).sum(axis=1)
        return value

    def total(self, values: Floats, n_levels: int) -> Floats:
        """Sums of values (N,) over the rows of each level, with their weights: (J,)."""
        return sum_by_cell(self.weight * values, self.level, n_levels)


def own_estimates(family: Family, aux: dict[str, Floats], rows: OwnRows, start: Floats) -> Floats:
    """Maximum likelihood of each level's coefficients by its own rows, (J, K_g).

    Parameters
    ----------
    family : Family
        One whose log density is concave in eta.
    aux : dict of str to ndarray of shape (1,)
        Its parameters.
    rows : OwnRows
    start : ndarray of shape (J, K_g)
        Where to begin.

    Returns
    -------
    ndarray of shape (J, K_g)
        NaN in a level whose likelihood has no largest value, as without a success, or without a
        failure: it goes on rising as coefficients go to infinity.

    Notes
    -----
    Newton's method in all levels at once. Steps are limited, and halved where the likelihood falls;
    where it has no maximum they never end.
    """
    search = _Search(family, aux, rows, start.copy(), np.zeros_like(start))
    best = np.full(len(start), -np.inf)
    base, found = start.copy(), np.full_like(start, np.nan)
    for _ in range(_MOST_STEPS):
        if not len(search.rows.y):
            break
        likelihood, newton, reach = search.look()
        worse = likelihood < best - _ROUNDING * (1 + np.abs(best))
        there = ~worse & (reach < _THERE)
        found[there] = search.theta[there]
        base = np.where(worse[:, None], base, search.theta)
        best = np.where(worse, best, likelihood)
        limit = np.minimum(1.0, _FARTHEST / np.maximum(reach, _FARTHEST))
        step = np.where(worse[:, None], 0.5 * search.step, limit[:, None] * newton)
        left = ~there[search.rows.level]
        search = replace(search, rows=search.rows.some(left), theta=base + step, step=step)
    return found


@dataclass(frozen=True)
class _Search:
    """Where the search is: coefficients ``theta`` and the step that led there, (J, K_g)."""

    family: Family
    aux: dict[str, Floats]
    rows: OwnRows
    theta: Floats
    step: Floats

    def look(self) -> tuple[Floats, Floats, Floats]:
        """Log likelihood (J,), Newton's step (J, K_g), and how far that moves eta (J,)."""
        rows, J = self.rows, len(self.theta)
        eta = rows.rest + rows.part(self.theta)
        likelihood = rows.total(self.family.log_density(rows.y, eta, self.aux), J)
        score = self.family.score(rows.y, eta, self.aux)
        curvature = np.broadcast_to(self.family.curvature(rows.y, eta, self.aux), eta.shape)
        gradient = np.stack([rows.total(score * z, J) for z in rows.Z.T], axis=1)
        information = sum_products(rows.Z.T, rows.weight * curvature, rows.level, J)
        inverse, _ = pseudo_inverse(np.moveaxis(information, -1, 0))
        newton: Floats = np.einsum("jkm,jm->jk", inverse, gradient)
        reach = np.zeros(J)
        np.maximum.at(reach, rows.level, np.abs(rows.part(newton)))
        return likelihood, newton, reach
