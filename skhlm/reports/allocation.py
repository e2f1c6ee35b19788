"""Where a total is best spent: the most expected return, or the best of its low quantiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import betainc

from skhlm._typing import Bools, Floats, Ints
from skhlm.posterior.posterior import Posterior
from skhlm.reports.averages import Averages, Difference, Estimand, Prediction, Sets, Slope

_MOST_DRAWS = 400  # as which draws count in the weights of a quantile: with more it has corners
_LOOKS = 9  # amounts at which it is seen whether returns diminish
_STRAIGHT = 1e-7  # of a slope: how little that of a straight line changes
_TOLERANCE, _MOST_STEPS = 1e-12, 500  # of the solver
_AT_BOUND = 1e-5  # of the mean amount

Objective = Callable[[Floats], tuple[float, Floats]]  # value and derivatives by x (m,)


@dataclass(frozen=True)
class Returns:
    """What m units of n rows bring in all, given how much each row of a unit gets, x (m,).

    ==============  ======  ==========================================================
    ``posterior``
    ``codes``       (n, G)  levels of the rows
    ``new_levels``  (n, G)  which of the new ones, as in `prediction.joint_draws`
    ``units``       (n,)    the unit of each row, of 0, ..., m - 1
    ``predictors``          function from amounts of rows (n,) to predictors (n, p)
    ``rates``               and to their rates (n, p)
    ==============  ======  ==========================================================
    """

    posterior: Posterior
    codes: Ints
    new_levels: Ints
    units: Ints
    predictors: Callable[[Floats], Floats]
    rates: Callable[[Floats], Floats]

    @property
    def sizes(self) -> Ints:
        """Rows of each unit, (m,)."""
        return np.bincount(self.units)

    def expected(self, x: Floats) -> tuple[float, Floats]:
        """The sum of expected outcomes and its derivatives."""
        value = self._prediction(x).mean(self.posterior).sum()
        slopes = self._slope(x).mean(self.posterior)
        return float(value), np.bincount(self.units, slopes).astype(np.float64)

    def quantile(self, q: float) -> Objective:
        """The q-quantile of the sum over the posterior, after Harrell and Davis, and derivatives.

        It is a mean of ordered draws, whose derivatives are means of those of the draws.
        """
        n = min(self.posterior.n_draws, _MOST_DRAWS)
        edges = np.linspace(0, 1, self.posterior.n_draws + 1)
        weights = np.diff(betainc((n + 1) * q, (n + 1) * (1 - q), edges))

        def objective(x: Floats) -> tuple[float, Floats]:
            values = self._sum(self._prediction(x)).draws[0]
            rates = self.marginal(x).draws * self.sizes[:, None]
            order = np.argsort(values)
            return float(values[order] @ weights), rates[:, order] @ weights

        return objective

    def marginal(self, x: Floats) -> Averages:
        """What one more of the total brings in each unit, where its rows share it: (m,)."""
        n = np.arange(len(self.units))
        return self._averages(self._slope(x), Sets.of(n, self.units, np.ones(len(n))))

    def gain(self, x: Floats, start: Floats) -> Averages:
        """What amounts bring beyond those of rows at the start (n,), in all: one set."""
        first = Prediction(self.predictors(start), self.codes, "mean")
        return self._sum(Difference(self._prediction(x), first))

    def _prediction(self, x: Floats) -> Prediction:
        return Prediction(self.predictors(x[self.units]), self.codes, "mean")

    def _slope(self, x: Floats) -> Slope:
        at = x[self.units]
        return Slope(self.predictors(at), self.rates(at), self.codes, "mean")

    def _sum(self, estimand: Estimand) -> Averages:
        """Of all rows."""
        n = len(self.units)
        found = self._averages(estimand, Sets.of(np.arange(n), np.zeros(n, np.int64), np.ones(n)))
        return Averages(found.mean * n, found.draws * n)

    def _averages(self, estimand: Estimand, sets: Sets) -> Averages:
        return Averages.of(estimand, self.posterior, self.codes, self.new_levels, sets)


@dataclass(frozen=True)
class Shape:
    """How the expected returns of units go on between their bounds, (m,) each."""

    is_straight: Bools
    is_concave: Bools


def shape_of(returns: Returns, low: Floats, high: Floats) -> Shape:
    """Whether slopes are the same from bound to bound, and whether they never rise."""
    looks = np.linspace(0, 1, _LOOKS)
    slopes = np.array([returns.expected(low + t * (high - low))[1] for t in looks])
    size = np.abs(slopes).max(axis=0)
    change = np.diff(slopes, axis=0)
    return Shape(
        np.abs(change).max(axis=0) <= _STRAIGHT * size, change.max(axis=0) <= _STRAIGHT * size
    )


def best_amounts(
    objective: Objective, start: Floats, sizes: Ints, total: float, low: Floats, high: Floats
) -> Floats:
    """Amounts of units between bounds, (m,), with the largest objective of all of this total.

    By sequential quadratic programming, from a start within the bounds. Raises RuntimeError where
    that does not converge.
    """
    scale = total / sizes.sum()
    value, rates = objective(start)
    height = max(float(np.abs(rates).max() * scale), np.finfo(float).tiny)

    def loss(u: Floats) -> tuple[float, Floats]:
        found, slopes = objective(np.clip(u * scale, low, high))
        return (value - found) / height, -slopes * scale / height

    shares = sizes / sizes.sum()
    whole: Any = {"type": "eq", "fun": lambda u: shares @ u - 1, "jac": lambda _: shares}
    solve: Any = minimize
    found = solve(
        loss,
        start / scale,
        jac=True,
        method="SLSQP",
        bounds=list(zip(low / scale, high / scale, strict=True)),
        constraints=whole,
        options={"maxiter": _MOST_STEPS, "ftol": _TOLERANCE},
    )
    if not found.success:
        raise RuntimeError(f"no allocation was found: {found.message}")
    amounts: Floats = np.clip(found.x * scale, low, high)
    return amounts


def within(start: Floats, sizes: Ints, total: float, low: Floats, high: Floats) -> Floats:
    """The start with this total within the bounds: what is free of it stretched or shrunk."""
    amounts = np.clip(start, low, high)
    missing = total - float(sizes @ amounts)
    room = high - amounts if missing > 0 else amounts - low
    capacity = float(sizes @ room)
    if capacity > 0:
        amounts = amounts + room * (missing / capacity)
    return np.clip(amounts, low, high)


def bound_of(x: Floats, low: Floats, high: Floats) -> list[str]:
    """Which bound each amount is at: "lower", "upper" or ""."""
    near = _AT_BOUND * max(float(x.mean()), np.finfo(float).tiny)
    at = np.where(x <= low + near, "lower", np.where(x >= high - near, "upper", ""))
    return [str(one) for one in at]
