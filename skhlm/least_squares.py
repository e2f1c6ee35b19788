"""Least squares in many cells at once, and the Student-t distributions it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln
from scipy.stats import t as student_t

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.design import Rows
from skhlm.numerics.cell_sums import sum_by_cell
from skhlm.posterior.prediction import Kind
from skhlm.posterior.scoring import crps_of_student_t

_RANK_TOLERANCE = 1e-9  # smallest over largest singular value of predictors in comparable units
_ROUNDING = float(np.finfo(np.float64).eps)
_NOISE = 8.0  # roundings by which centred values may differ that were meant to be equal


@dataclass(frozen=True)
class TDistributions:
    """What least squares says of some rows: Student-t with ``df`` about ``mean`` (n,).

    Without degrees of freedom left for the residuals nothing is known of their spread: ``scale``
    (n,) is infinite.
    """

    mean: Floats
    scale: Floats
    df: float

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Quantiles of each row, (n, q)."""
        steps = np.asarray(student_t.ppf(probabilities, self.df))
        spread = np.where(steps == 0, 0.0, self.scale[:, None] * np.where(steps == 0, 1.0, steps))
        values: Floats = self.mean[:, None] + spread
        return values

    @property
    def std(self) -> Floats:
        """Standard deviations, (n,); infinite for df <= 2."""
        return self.scale * (np.sqrt(self.df / (self.df - 2)) if self.df > 2 else np.inf)

    def log_density(self, y: Floats) -> Floats:
        """Log density of each row at y, (n,)."""
        density: Floats = student_t.logpdf(self._z(y), self.df) - np.log(self.scale)
        return density

    def crps(self, y: Floats) -> Floats:
        """CRPS of each row at y, (n,); infinite for df <= 1."""
        return self.scale * crps_of_student_t(self._z(y), self.df)

    def _z(self, y: Floats) -> Floats:
        return (y - self.mean) / self.scale


@dataclass(frozen=True)
class Lines:
    """What is linear in the predictors in each of C cells.

    Features of a row are phi = (1, x - center), or x where there is no intercept: K of them, with
    coefficients ``coef``.

    ===========  =========  ===================================================================
    field        shape      what it is
    ===========  =========  ===================================================================
    ``center``   (C, p)     weighted means of the predictors; None without an intercept
    ``coef``     (C, K)     coefficients of the features
    ``root``     (C, K, K)  root root' is the covariance of these, as a subclass scales it
    ``untold``   (C, K, K)  projects coefficients on what the rows leave open; 0, if that is nothing
    ``rank``     (C,)       how many of the K directions the rows determine
    ``n``        (C,)       sums of the weights
    ``lent``     (C, K, L)  lent lent' is the covariance of what is from other rows
    ===========  =========  ===================================================================
    """

    center: Floats | None
    coef: Floats
    root: Floats
    untold: Floats
    rank: Ints
    n: Floats
    lent: Floats

    def features(self, X: Floats, cell: Ints) -> Floats:
        """Features (n, K) of rows X (n, p) of cells."""
        return _features(X, None if self.center is None else self.center[cell])

    @property
    def own_slopes(self) -> slice:
        """Which of the K coefficients are slopes."""
        return slice(0 if self.center is None else 1, None)

    @property
    def slopes(self) -> Floats:
        """Coefficients of the predictors, (C, p)."""
        return self.coef[:, self.own_slopes]

    @property
    def lent_slopes(self) -> Bools:
        """Which slopes rows do not determine, (C, p)."""
        lent: Bools = (self.untold != 0).any(axis=2)
        return lent[:, self.own_slopes]

    @property
    def intercepts(self) -> Floats:
        """What is predicted at x = 0, (C,)."""
        if self.center is None:
            return np.zeros(len(self.coef))
        intercepts: Floats = self.coef[:, 0] - (self.center * self.slopes).sum(axis=1)
        return intercepts


@dataclass(frozen=True)
class Regressions(Lines):
    """One least-squares regression in each of C cells, with one residual scale for all.

    E[y | x] = phi' coef, and its standard error is sigma |root' phi|, root root' = (Phi' W Phi)^-1,
    a pseudo-inverse if that is singular.

    ===========  =========  ===================================================================
    ``rss``      (C,)       weighted sums of squared residuals
    ``shared``              how many slopes from other rows the residuals depend on
    ``sigma``               residual scale
    ``df``                  its degrees of freedom; 1 with an infinite sigma where none are left
    ===========  =========  ===================================================================
    """

    rss: Floats
    shared: int = 0
    sigma: float = np.inf
    df: float = 1.0

    @property
    def parameters(self) -> dict[str, float]:
        """The residual scale."""
        return {"sigma": self.sigma}

    def with_scale(self, cells: Bools, y: Floats) -> Regressions:
        """The same with sigma^2 = sum rss / (sum (n - rank) - shared) over some cells.

        ``y`` (N,) is that of fit: a perfect fit leaves a sigma of its rounding.
        """
        df = float((self.n - self.rank)[cells].sum()) - self.shared
        if df <= 0:
            return replace(self, sigma=np.inf, df=1.0)
        least = max(_ROUNDING * float(np.abs(y).max()), float(np.finfo(np.float64).tiny))
        sigma = np.sqrt(float(self.rss[cells].sum()) / df)
        return replace(self, sigma=max(float(sigma), least), df=df)

    def with_line(self, slopes: Floats, at_zero: float) -> Regressions:
        """The same single regression with coefficients found elsewhere: slopes (p,), intercept."""
        if self.center is None:
            return replace(self, coef=slopes[None])
        return replace(self, coef=np.r_[at_zero + self.center[0] @ slopes, slopes][None])

    def with_intercepts_alone(self, cells: Bools, rows: Rows) -> Regressions:
        """The same with slopes of zero in some cells, known nothing about; rows are those of fit.

        Centred predictors have no say in an intercept, which stays what it is.
        """
        coef, root, untold = self.coef.copy(), self.root.copy(), self.untold.copy()
        coef[cells, 1:] = root[cells] = 0.0
        root[cells, 0, 0] = 1 / np.sqrt(self.n[cells])
        untold[cells] = np.diag(np.arange(coef.shape[1]) > 0)
        square = (rows.y - coef[rows.cell, 0]) ** 2
        rss = np.where(cells, _sums(rows, rows.weight * square), self.rss)
        rank = np.where(cells, 1, self.rank)
        shared = rows.X.shape[1] if (self.n[cells] > 1).any() else 0
        return replace(self, coef=coef, root=root, untold=untold, rank=rank, rss=rss, shared=shared)

    def added_to(self, other: Regressions) -> Regressions:
        """Regressions of what is left of y by a single one: both together.

        What rows do not determine is that of the other regression, with its standard errors.
        """
        coef, lent = self.coef.copy(), np.zeros_like(self.root)
        slopes = self.own_slopes
        if self.center is not None:
            coef[:, 0] += other.predict(self.center, np.zeros(len(coef), dtype=np.int64)).mean
        coef[:, slopes] += other.slopes
        if np.isfinite(other.sigma):
            lent[:, slopes] = self.untold[:, slopes, slopes] @ (other.sigma * other.root[0, slopes])
        return replace(self, coef=coef, lent=lent)

    def predict(self, X: Floats, cell: Ints, *, outcome: bool = True) -> TDistributions:
        """Distributions of new observations, or of expected values, of rows X (n, p) of cells."""
        phi = self.features(X, cell)
        mean = np.einsum("nk,nk->n", phi, self.coef[cell])
        size = np.sqrt(squares(phi, self.root[cell]) + outcome)
        scale = np.where(size > 0, self.sigma, 0.0) * np.where(size > 0, size, 1.0)
        scale = np.hypot(scale, np.sqrt(squares(phi, self.lent[cell])))
        return TDistributions(mean, scale, self.df)

    def expected(self, X: Floats, cell: Ints, kind: Kind) -> TDistributions:
        """Distributions of expected values, which eta is, too."""
        del kind
        return self.predict(X, cell, outcome=False)

    def joint_log_density(self, X: Floats, cell: Ints, y: Floats, weight: Floats) -> float:
        """Log density of all rows together: multivariate Student-t, weight 2 being two rows.

        Its scale matrix is sigma^2 (I + Phi (Phi' Phi at fit)^-1 Phi') + Phi lent lent' Phi', block
        by block.
        """
        n = float(weight.sum())
        if n == 0 or np.isinf(self.sigma):
            return 0.0 if n == 0 else -np.inf
        phi = self.features(X, cell)
        residual = (y - np.einsum("nk,nk->n", phi, self.coef[cell])) / self.sigma
        root = np.concatenate([self.root, self.lent / self.sigma], axis=2)
        spread = np.einsum("nk,nkj->nj", phi, root[cell])
        size = spread.shape[1]
        gram = np.zeros((len(self.coef), size, size))
        np.add.at(gram, cell, weight[:, None, None] * spread[:, :, None] * spread[:, None, :])
        c = np.zeros((len(self.coef), size))
        np.add.at(c, cell, (weight * residual)[:, None] * spread)
        values, vectors = np.linalg.eigh(gram)
        values = np.maximum(values, 0.0)
        explained = (np.einsum("ckj,ck->cj", vectors, c) ** 2 / (1 + values)).sum()
        square = max(float(weight @ residual**2 - explained), 0.0)
        constant = gammaln((self.df + n) / 2) - gammaln(self.df / 2)
        constant -= 0.5 * n * np.log(self.df * np.pi) + n * np.log(self.sigma)
        determinant = np.log1p(values).sum()
        tail = 0.5 * (self.df + n) * np.log1p(square / self.df)
        return float(constant - 0.5 * determinant - tail)


def fit_cells(rows: Rows, *, fit_intercept: bool) -> Regressions:
    """Least squares in each cell, by singular values of the features in units of their norms.

    Of the coefficients that fit the rows alike, those nearest to zero in these units. Cells of the
    same number of rows are stacked: 10,000 small ones take some hundredths of a second, where a
    scikit-learn estimator for each takes ten seconds.
    """
    n_cells = len(rows.codes)
    n = _sums(rows, rows.weight)
    center = _centers(rows, n) if fit_intercept else None
    phi = _features(rows.X, None if center is None else center[rows.cell])
    size = phi.shape[1]
    coef, rank = np.zeros((n_cells, size)), np.zeros(n_cells, dtype=np.int64)
    root, untold = np.zeros((2, n_cells, size, size))
    counts = np.bincount(rows.cell, minlength=n_cells)
    starts = np.cumsum(counts) - counts
    root_weight = np.sqrt(rows.weight)
    rounding = _NOISE * _ROUNDING * np.abs(_features(rows.X, None if center is None else 0.0))
    for count in np.unique(counts):
        cells = np.flatnonzero(counts == count)
        chosen = starts[cells][:, None] + np.arange(count)
        A = phi[chosen] * root_weight[chosen][:, :, None]
        b = rows.y[chosen] * root_weight[chosen]
        noise = np.linalg.norm(rounding[chosen] * root_weight[chosen][:, :, None], axis=1)
        coef[cells], root[cells], untold[cells], rank[cells] = _solve(A, b, noise)
    residual = rows.y - np.einsum("nk,nk->n", phi, coef[rows.cell])
    rss = _sums(rows, rows.weight * residual**2)
    return Regressions(center, coef, root, untold, rank, n, np.zeros((n_cells, size, 0)), rss)


def fit_cells_beside(rows: Rows, pooled: Regressions) -> Regressions:
    """Least squares in each cell, b_c, as near to a single regression b as the rows allow.

        b_c = b + A_c^+ (y_c - A_c b),    A_c^+ the pseudo-inverse of the features of cell c

    What rows determine is as in `fit_cells`, the rest is that of ``pooled``. Cells that their
    coefficients would leave no residual (n <= rank) have an intercept of their own and no slopes.
    """
    together = np.zeros_like(rows.cell)
    left = replace(rows, y=rows.y - pooled.predict(rows.X, together).mean)
    own = fit_cells(left, fit_intercept=pooled.center is not None)
    if pooled.center is not None:
        own = own.with_intercepts_alone(own.n <= own.rank, left)
    return own.added_to(pooled)


def _solve(A: Floats, b: Floats, noise: Floats) -> tuple[Floats, Floats, Floats, Ints]:
    """Coefficients (B, K), root of (A' A)^-1 and I - A^+ A (B, K, K), rank (B,) of A (B, m, K), b.

    Columns no longer than their rounding, ``noise`` (B, K), are constant.
    """
    norm = np.linalg.norm(A, axis=1)
    constant = norm <= noise
    A, norm = np.where(constant[:, None], 0.0, A), np.where(constant, 1.0, norm)
    U, values, Vt = np.linalg.svd(A / norm[:, None, :], full_matrices=False)
    unsure = np.where(constant, 0.0, noise / norm).max(axis=1, initial=0.0)
    kept = values > np.maximum(unsure, _RANK_TOLERANCE)[:, None] * values[:, :1]
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    half = np.swapaxes(Vt * inverse[:, :, None], 1, 2) / norm[:, :, None]
    coef = np.einsum("bkj,bmj,bm->bk", half, U, b, optimize=True)
    root = np.zeros((len(A), A.shape[2], A.shape[2]))
    root[:, :, : values.shape[1]] = half
    untold = np.eye(A.shape[2]) - np.swapaxes(Vt, 1, 2) @ (kept[:, :, None] * Vt)
    untold[np.abs(untold) < _RANK_TOLERANCE] = 0.0  # but for rounding
    return coef, root, untold / norm[:, :, None] * norm[:, None, :], kept.sum(axis=1)


def _centers(rows: Rows, n: Floats) -> Floats:
    """Weighted means of the predictors in each cell, (C, p)."""
    center = np.empty((len(n), rows.X.shape[1]))
    for j, x in enumerate(rows.X.T):
        center[:, j] = _sums(rows, rows.weight * x) / n
    return center


def _sums(rows: Rows, values: Floats) -> Floats:
    """Sums over the rows of each cell, (N,) -> (C,)."""
    return sum_by_cell(values, rows.cell, len(rows.codes))


def _features(X: Floats, center: Floats | float | None) -> Floats:
    """(1, x - center) for each row, or x without centres: (n, K)."""
    return X if center is None else np.column_stack([np.ones(len(X)), X - center])


def squares(phi: Floats, root: Floats) -> Floats:
    """|root' phi|^2 of each row, (n,), for phi (n, K) and root (n, K, L)."""
    squares: Floats = (np.einsum("nk,nkj->nj", phi, root) ** 2).sum(axis=1)
    return squares
