"""What the likelihood sees of the rows: the waist between the data and the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.numerics.cell_sums import sum_by_cell, sum_products

_NEGLIGIBLE = 1e-6  # of the outcome's spread
_LOST = 1e-8  # of the outcome itself: squared, what double precision loses
RIDGE = 1e-12  # of information: what rounding takes from it stays a small share of that


@dataclass(frozen=True)
class Evidence:
    """Rows sorted by cell, as few as a family needs; what they stand for beside them.

    A family makes it (`Family.compress`), and the evidence of two parts of the rows is that of the
    whole (`Family.merge`).

    ============  ======  ==========================================================================
    field         shape   what it is
    ============  ======  ==========================================================================
    ``X``         (K, N)  predictors, a row for each
    ``y``         (N,)    outcome
    ``weight``    (N,)    frequency weights, > 0
    ``offset``    (N,)    what is added to x' beta
    ``cell``      (N,)    cell of each row: 0, ..., C - 1, non-decreasing
    ``n_cells``   ()      C
    ``n_obs``     ()      sum of the original weights
    ``rss``       ()      squares that no coefficient can change, lost by the compression
    ``mean``      ()      weighted mean of the original outcomes
    ``variance``  ()      their weighted variance
    ``largest``   ()      the largest of their absolute values
    ``unit``      ()      the spread to think of where all outcomes are equal
    ``outcome``   (V,)    values that the family's constants are sums over
    ``count``     (V,)    their weights
    ============  ======  ==========================================================================
    """

    X: Floats
    y: Floats
    weight: Floats
    offset: Floats
    cell: Ints
    n_cells: int
    n_obs: float
    rss: float
    mean: float
    variance: float
    largest: float
    unit: float = 1.0
    outcome: Floats = field(default_factory=lambda: np.zeros(0))
    count: Floats = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of_rows(
        cls,
        X: Floats,
        y: Floats,
        weight: Floats,
        cell: Ints,
        n_cells: int,
        unit: float = 1.0,
        offset: Floats | None = None,
    ) -> Evidence:
        """Rows (N, K) as they are, sorted by cell."""
        mean = np.average(y, weights=weight)
        return cls(
            X=np.ascontiguousarray(X.T),
            y=y,
            weight=weight,
            offset=np.zeros(len(y)) if offset is None else offset,
            cell=cell,
            n_cells=n_cells,
            n_obs=float(weight.sum()),
            rss=0.0,
            mean=float(mean),
            variance=float(np.average(np.square(y - mean), weights=weight)),
            largest=float(np.abs(y).max()),
            unit=unit,
        )

    @property
    def n_coefficients(self) -> int:
        """K."""
        return len(self.X)

    @property
    def spread(self) -> float:
        """Standard deviation of the outcome, > 0."""
        return float(np.sqrt(self.variance) or self.unit)

    @property
    def rounding(self) -> float:
        """Size of residuals that mean nothing, > 0: a fixed share of the outcome's spread."""
        size = max(_NEGLIGIBLE * np.sqrt(self.variance), _LOST * self.largest)
        return float(size) or _NEGLIGIBLE * self.unit

    def size(self, residual: Floats) -> float:
        """Weighted root mean square of residuals (N,), > 0, the lost squares included."""
        mean = (self.rss + self.weight @ np.square(residual)) / self.n_obs
        return float(np.sqrt(mean + self.rounding**2))

    def eta(self, coefficients: Floats) -> Floats:
        """Offset and linear predictor of each row (N,)."""
        return self.offset + self.linear_predictor(coefficients)

    def linear_predictor(self, coefficients: Floats) -> Floats:
        """x_i' b of each row (N,), for coefficients b of each cell (K, C)."""
        eta = np.zeros(len(self.y))
        for x, b in zip(self.X, coefficients, strict=True):
            eta += x * b[self.cell]
        return eta

    def cell_information(self, precision: Floats) -> Floats:
        """Sum over each cell of p x x', (K, K, C), positive definite where nothing is zero.

        A cell may tell nothing of some directions and, of nearly exact outcomes, nearly everything
        of the others: elimination would leave rounding errors of any sign. With a ridge they are
        less than what is left, at every scale, and further elimination does not let them grow: what
        it makes of two matrices keeps their order.
        """
        information = sum_products(self.X, precision, self.cell, self.n_cells)
        for j in range(len(information)):
            information[j, j] *= 1 + RIDGE
        return information

    def cell_score(self, psi: Floats) -> Floats:
        """Sum over each cell of psi x, (K, C)."""
        score = np.empty((len(self.X), self.n_cells))
        for k, x in enumerate(self.X):
            score[k] = sum_by_cell(psi * x, self.cell, self.n_cells)
        return score

    def joined(self, other: Evidence) -> Evidence:
        """The rows of both, sorted by cell: two parts of the same cells' rows."""
        order = np.argsort(np.concatenate([self.cell, other.cell]), kind="stable")
        n_obs = self.n_obs + other.n_obs
        share, step = other.n_obs / n_obs, other.mean - self.mean
        within = (1 - share) * self.variance + share * other.variance
        return Evidence(
            X=np.concatenate([self.X, other.X], axis=1)[:, order],
            y=np.concatenate([self.y, other.y])[order],
            weight=np.concatenate([self.weight, other.weight])[order],
            offset=np.concatenate([self.offset, other.offset])[order],
            cell=np.concatenate([self.cell, other.cell])[order],
            n_cells=self.n_cells,
            n_obs=n_obs,
            rss=self.rss + other.rss,
            mean=self.mean + share * step,
            variance=within + share * (1 - share) * step**2,
            largest=max(self.largest, other.largest),
            unit=self.unit,
            outcome=np.concatenate([self.outcome, other.outcome]),
            count=np.concatenate([self.count, other.count]),
        )
