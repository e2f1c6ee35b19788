"""Least squares in many cells at once, and the Student-t distributions it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln
from scipy.stats import t as student_t

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.design import Rows
from skhlm.posterior.scoring import crps_of_student_t

_RANK_TOLERANCE = 1e-9  # smallest over largest singular value of predictors in comparable units
_ROUNDING = float(np.finfo(np.float64).eps)


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
class Regressions:
    """One least-squares regression in each of C cells, with one residual scale for all.

    Features of a row are phi = (1, x - center), or x where there is no intercept: K of them. Then
    E[y | x] = phi' coef, and its standard error is sigma |root' phi|.

    ===========  =========  ===================================================================
    field        shape      what it is
    ===========  =========  ===================================================================
    ``center``   (C, p)     weighted means of the predictors; None without an intercept
    ``coef``     (C, K)     coefficients of the features
    ``root``     (C, K, K)  root root' = (Phi' W Phi)^-1, a pseudo-inverse if that is singular
    ``rank``     (C,)       how many of the K directions the rows determine
    ``n``        (C,)       sums of the weights
    ``rss``      (C,)       weighted sums of squared residuals
    ``sigma``               residual scale
    ``df``                  its degrees of freedom; 1 with an infinite sigma where none are left
    ===========  =========  ===================================================================
    """

    center: Floats | None
    coef: Floats
    root: Floats
    rank: Ints
    n: Floats
    rss: Floats
    sigma: float = np.inf
    df: float = 1.0

    def with_scale(self, cells: Bools, y: Floats) -> Regressions:
        """The same with sigma^2 = sum rss / sum (n - rank) over some cells, y (N,) that of fit.

        A perfect fit leaves a sigma of y's rounding.
        """
        df = float((self.n - self.rank)[cells].sum())
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

    @property
    def slopes(self) -> Floats:
        """Coefficients of the predictors, (C, p)."""
        return self.coef if self.center is None else self.coef[:, 1:]

    @property
    def intercepts(self) -> Floats:
        """Expected values at x = 0, (C,)."""
        if self.center is None:
            return np.zeros(len(self.coef))
        intercepts: Floats = self.coef[:, 0] - (self.center * self.slopes).sum(axis=1)
        return intercepts

    def predict(self, X: Floats, cell: Ints, *, outcome: bool = True) -> TDistributions:
        """Distributions of new observations, or of expected values, of rows X (n, p) of cells."""
        phi = _features(X, None if self.center is None else self.center[cell])
        mean = np.einsum("nk,nk->n", phi, self.coef[cell])
        leverage = (np.einsum("nk,nkj->nj", phi, self.root[cell]) ** 2).sum(axis=1)
        size = np.sqrt(leverage + outcome)
        scale = np.where(size > 0, self.sigma, 0.0) * np.where(size > 0, size, 1.0)
        return TDistributions(mean, scale, self.df)

    def joint_log_density(self, X: Floats, cell: Ints, y: Floats, weight: Floats) -> float:
        """Log density of all rows together: multivariate Student-t, weight 2 being two rows.

        Its scale matrix is sigma^2 (I + Phi (Phi' Phi at fit)^-1 Phi'), block by block.
        """
        n = float(weight.sum())
        if n == 0 or np.isinf(self.sigma):
            return 0.0 if n == 0 else -np.inf
        phi = _features(X, None if self.center is None else self.center[cell])
        residual = (y - np.einsum("nk,nk->n", phi, self.coef[cell])) / self.sigma
        spread = np.einsum("nk,nkj->nj", phi, self.root[cell])
        size = spread.shape[1]
        H = np.tile(np.eye(size), (len(self.coef), 1, 1))
        np.add.at(H, cell, weight[:, None, None] * spread[:, :, None] * spread[:, None, :])
        c = np.zeros((len(self.coef), size))
        np.add.at(c, cell, (weight * residual)[:, None] * spread)
        explained = (c * np.linalg.solve(H, c[:, :, None])[:, :, 0]).sum()
        square = max(float(weight @ residual**2 - explained), 0.0)
        constant = gammaln((self.df + n) / 2) - gammaln(self.df / 2)
        constant -= 0.5 * n * np.log(self.df * np.pi) + n * np.log(self.sigma)
        determinant = np.linalg.slogdet(H)[1].sum()
        tail = 0.5 * (self.df + n) * np.log1p(square / self.df)
        return float(constant - 0.5 * determinant - tail)


def fit_cells(rows: Rows, *, fit_intercept: bool) -> Regressions:
    """Least squares in each cell, by singular values of the features in units of their norms.

    Cells of the same number of rows are stacked: 10,000 small ones take some hundredths of a
    second, where a scikit-learn estimator for each takes ten seconds.
    """
    n_cells = len(rows.codes)
    n = _sums(rows, rows.weight)
    center = _centers(rows, n) if fit_intercept else None
    phi = _features(rows.X, None if center is None else center[rows.cell])
    size = phi.shape[1]
    coef, root = np.zeros((n_cells, size)), np.zeros((n_cells, size, size))
    rank = np.zeros(n_cells, dtype=np.int64)
    counts = np.bincount(rows.cell, minlength=n_cells)
    starts = np.cumsum(counts) - counts
    root_weight = np.sqrt(rows.weight)
    for count in np.unique(counts):
        cells = np.flatnonzero(counts == count)
        chosen = starts[cells][:, None] + np.arange(count)
        A = phi[chosen] * root_weight[chosen][:, :, None]
        b = rows.y[chosen] * root_weight[chosen]
        coef[cells], root[cells], rank[cells] = _solve(A, b)
    residual = rows.y - np.einsum("nk,nk->n", phi, coef[rows.cell])
    rss = _sums(rows, rows.weight * residual**2)
    return Regressions(center, coef, root, rank, n, rss)


def _solve(A: Floats, b: Floats) -> tuple[Floats, Floats, Ints]:
    """Coefficients (B, K), root of (A' A)^-1 (B, K, K) and rank (B,) for A (B, m, K), b (B, m)."""
    norm = np.linalg.norm(A, axis=1)
    norm[norm == 0] = 1.0
    U, values, Vt = np.linalg.svd(A / norm[:, None, :], full_matrices=False)
    kept = values > _RANK_TOLERANCE * values[:, :1]
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    half = np.swapaxes(Vt * inverse[:, :, None], 1, 2) / norm[:, :, None]
    coef = np.einsum("bkj,bmj,bm->bk", half, U, b, optimize=True)
    root = np.zeros((len(A), A.shape[2], A.shape[2]))
    root[:, :, : values.shape[1]] = half
    return coef, root, kept.sum(axis=1)


def _centers(rows: Rows, n: Floats) -> Floats:
    """Weighted means of the predictors in each cell, (C, p)."""
    center = np.empty((len(n), rows.X.shape[1]))
    for j, x in enumerate(rows.X.T):
        center[:, j] = _sums(rows, rows.weight * x) / n
    return center


def _sums(rows: Rows, values: Floats) -> Floats:
    """Sums over the rows of each cell, (N,) -> (C,)."""
    return np.bincount(rows.cell, values, minlength=len(rows.codes)).astype(np.float64)


def _features(X: Floats, center: Floats | None) -> Floats:
    """(1, x - center) for each row, or x without centres: (n, K)."""
    return X if center is None else np.column_stack([np.ones(len(X)), X - center])
