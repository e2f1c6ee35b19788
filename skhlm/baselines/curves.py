"""Maximum likelihood in many cells, of families whose mean is a curve in eta = offset + x' b."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri
from threadpoolctl import threadpool_limits

from skhlm._typing import Bools, Floats, Ints
from skhlm.baselines.solvers import PENALTY, solver_of
from skhlm.families import LinkFamily
from skhlm.families.links import IDENTITY, Link
from skhlm.inputs.design import Rows
from skhlm.least_squares import Lines, fit_cells, squares
from skhlm.posterior.link_mixtures import LinkMixture
from skhlm.posterior.prediction import Kind

_LEAST, _MOST = 1e-8, 1e8  # an auxiliary parameter
_FARTHEST = 350.0  # eta, whose mean has a square


@dataclass(frozen=True)
class Expected:
    """Normal distributions of eta (n,), and so those of its curve."""

    eta: Floats
    se: Floats
    link: Link

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Quantiles of each row, (n, q): the curve is increasing."""
        return self.link.inverse(self.eta[:, None] + self.se[:, None] * ndtri(probabilities))


@dataclass(frozen=True)
class Outcomes:
    """A family's distributions at eta (n,), coefficients and parameters taken for known."""

    family: LinkFamily
    eta: Floats
    auxiliary: Mapping[str, Floats]

    @property
    def mean(self) -> Floats:
        """Expected outcomes, (n,)."""
        return self.family.mean(self.eta, self.auxiliary)

    @property
    def std(self) -> Floats:
        """Standard deviations, (n,)."""
        return np.sqrt(self.family.variance(self.eta, self.auxiliary))

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Quantiles of each row, (n, q)."""
        p = np.asarray(probabilities, dtype=np.float64)
        return self.family.quantile(p, self.eta[:, None], self.auxiliary)

    def log_density(self, y: Floats) -> Floats:
        """Log density of each row at y, (n,), or log probability."""
        return self.family.log_density(y, self.eta, self.auxiliary)

    def crps(self, y: Floats) -> Floats:
        """CRPS of each row at y, (n,)."""
        eta = self.eta[:, None]
        return LinkMixture(self.family, dict(self.auxiliary), eta, np.zeros_like(eta)).crps(y)


@dataclass(frozen=True)
class Curves(Lines):
    """One regression in each of C cells, the auxiliary parameter being the same in all.

    eta = offset + phi' coef, with standard error |root' phi|, root root' = (Phi' W Phi)^-1 with W
    the expected information.

    ==============  =====  ==================================================================
    ``extreme``     (C,)   cells without a maximum of the likelihood at any level: all
                           outcomes are at an end of what there can be
    ``auxiliary``          the family's parameter beside eta, (1,), if it has one
    ==============  =====  ==================================================================
    """

    family: LinkFamily
    extreme: Bools
    auxiliary: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, float]:
        """The family's own."""
        return {name: float(value[0]) for name, value in self.auxiliary.items()}

    def predict(self, X: Floats, cell: Ints) -> Outcomes:
        """Distributions of new observations of rows X (n, p) of cells, offset behind."""
        return Outcomes(self.family, self._eta(X, cell), self.auxiliary)

    def expected(self, X: Floats, cell: Ints, kind: Kind) -> Expected:
        """Distributions of expected values, or of eta, by Wald's standard errors."""
        phi = self.features(_split(X, self.slopes.shape[1])[0], cell)
        se = np.hypot(*(np.sqrt(squares(phi, r[cell])) for r in (self.root, self.lent)))
        return Expected(self._eta(X, cell), se, IDENTITY if kind == "link" else self.family.link)

    def joint_log_density(self, X: Floats, cell: Ints, y: Floats, weight: Floats) -> float:
        """Log density of all rows together, which are independent."""
        used = weight > 0
        X, cell, y, weight = X[used], cell[used], y[used], weight[used]
        rows = weight * self.predict(X, cell).log_density(y)
        return float(rows.sum() + self.family.log_constant(y, weight).sum())

    def with_auxiliary(self, cells: Bools, rows: Rows) -> Curves:
        """The same with the family's parameter by moments, and standard errors by that.

        Pearson's statistic sum w (y - mu)^2 / Var(y), over some cells, is as large as its degrees
        of freedom. Without these it stays unknown: no cell has standard errors then.
        """
        df = float((self.n - self.rank)[cells].sum())
        if self.family.auxiliary and df <= 0:
            return self
        used = cells[rows.cell]
        y, weight, eta = rows.y[used], rows.weight[used], self._eta(rows.X, rows.cell)[used]
        found = {
            parameter.name: _by_moments(self.family, parameter.name, y, weight, eta, df)
            for parameter in self.family.auxiliary
        }
        return replace(self, auxiliary=found)._with_errors(rows)

    @property
    def is_complete(self) -> bool:
        """Whether the family's parameter is known, if it has one."""
        return len(self.auxiliary) == len(self.family.auxiliary)

    def beside(self, other: Curves) -> Curves:
        """The same with the slopes of a single other one where rows do not tell them."""
        coef, lent, slopes = self.coef.copy(), np.zeros_like(self.root), self.own_slopes
        open_slopes = self.untold[:, slopes, slopes]
        coef[:, slopes] += open_slopes @ other.slopes[0]
        lent[:, slopes] = open_slopes @ other.root[0, slopes]
        return replace(self, coef=coef, lent=lent)

    def _with_errors(self, rows: Rows) -> Curves:
        """The same with ``root`` by the information of rows; before, it was that of features."""
        X, _ = _split(rows.X, self.slopes.shape[1])
        phi = self.features(X, rows.cell)
        information = self.family.information(self._eta(rows.X, rows.cell), self.auxiliary)
        information = np.broadcast_to(information, rows.y.shape)
        basis = np.einsum("nk,nkj->nj", phi, self.root[rows.cell])
        gram = np.zeros_like(self.root)
        np.add.at(
            gram,
            rows.cell,
            (rows.weight * information)[:, None, None] * basis[:, :, None] * basis[:, None, :],
        )
        gram += PENALTY * np.eye(gram.shape[1]) / self.n[:, None, None]
        factor = np.linalg.inv(np.linalg.cholesky(gram))
        return replace(self, root=self.root @ np.swapaxes(factor, 1, 2))

    def _eta(self, X: Floats, cell: Ints) -> Floats:
        """(n,)."""
        X, offset = _split(X, self.slopes.shape[1])
        eta: Floats = offset + np.einsum("nk,nk->n", self.features(X, cell), self.coef[cell])
        return eta


def fit_curves(family: LinkFamily, rows: Rows, *, n_predictors: int, fit_intercept: bool) -> Curves:
    """Maximum likelihood in each cell, by scikit-learn's solvers.

    Of coefficients that predict the rows alike, those nearest to zero in units of the predictors'
    spread. Cells at an end have a constant eta; so do, where there are several, those of not more
    rows than coefficients.
    """
    X, offset = _split(rows.X, n_predictors)
    shape = fit_cells(replace(rows, X=X, y=np.zeros_like(rows.y)), fit_intercept=fit_intercept)
    extreme = _at_an_end(family, rows)
    solved = ~extreme & ((shape.n > shape.rank) | (len(shape.n) == 1))
    solver, phi = solver_of(family), shape.features(X, rows.cell)
    ends = np.searchsorted(rows.cell, np.arange(len(solved) + 1))
    coef = np.zeros_like(shape.coef)
    with threadpool_limits(limits=1):  # threads would cost small fits more than they save
        for c, own in enumerate(map(slice, ends[:-1], ends[1:])):
            y, weight, start = rows.y[own], rows.weight[own], offset[own]
            if fit_intercept:
                coef[c, 0] = solver.level(y, weight, start)
                start = start + coef[c, 0]
            if solved[c]:
                basis = np.sqrt(shape.n[c]) * shape.root[c, :, : shape.rank[c]]
                coef[c] += basis @ solver.solve(phi[own] @ basis, y, weight, start)
    known = (shape.center, coef, shape.root, shape.untold, shape.rank, shape.n, shape.lent)
    return Curves(*known, family, extreme)


def _at_an_end(family: LinkFamily, rows: Rows) -> Bools:
    """Cells (C,) in which the likelihood has no maximum: no event, no success, or no failure."""
    starts = np.searchsorted(rows.cell, np.arange(len(rows.codes)))
    low, high = np.minimum.reduceat(rows.y, starts), np.maximum.reduceat(rows.y, starts)
    with np.errstate(divide="ignore"):
        ends: Bools = np.isinf(family.link.link(low)) & (low == high)
    return ends


def _by_moments(
    family: LinkFamily, name: str, y: Floats, weight: Floats, eta: Floats, df: float
) -> Floats:
    """The parameter, (1,), with which Pearson's statistic of rows is as large as df."""
    eta = np.clip(eta, -_FARTHEST, _FARTHEST)
    square = weight * (y - family.link.inverse(eta)) ** 2

    def excess(log: float) -> float:
        variance = family.variance(eta, {name: np.exp([log])})
        with np.errstate(over="ignore", divide="ignore"):
            return float((square / variance).sum()) - df

    least, most = np.log(_LEAST), np.log(_MOST)
    if excess(least) <= 0:
        return np.array([_LEAST])
    return np.exp([most if excess(most) >= 0 else brentq(excess, least, most)])


def _split(X: Floats, n_predictors: int) -> tuple[Floats, Floats]:
    """Predictors (n, p), and the offset behind them or zeros, (n,)."""
    has_offset = X.shape[1] > n_predictors
    return X[:, :n_predictors], X[:, -1] if has_offset else np.zeros(len(X))
