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
from skhlm.reports.averages import (
    Averages,
    Difference,
    Estimand,
    Prediction,
    Sets,
    Slope,
    draws_of_means,
)

_MOST_DRAWS = 400  # as which draws count in the weights of a quantile: with more it has corners
_LOOKS = 9  # amounts at which it is seen whether returns diminish
_NEAR = 1e-3  # of the way: where the first is
_STRAIGHT = 1e-7  # of a slope: how little that of a straight line changes
_TOLERANCE, _MOST_STEPS, _MOST_RUNS = 1e-12, 200, 12  # of the solver
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
            values = self._draws(self._prediction(x), self._by_unit()) * self.sizes[:, None]
            rates = self._draws(self._slope(x), self._by_unit()) * self.sizes[:, None]
            total = values.sum(axis=0)
            order = np.argsort(total)
            return float(total[order] @ weights), rates[:, order] @ weights

        return objective

    def marginal(self, x: Floats) -> Averages:
        """What one more of the total brings in each unit, where its rows share it: (m,)."""
        return self._averages(self._slope(x), self._by_unit())

    def gain(self, x: Floats, start: Floats) -> Averages:
        """What amounts bring beyond those of rows at the start (n,), in all: one set."""
        first = Prediction(self.predictors(start), self.codes, "mean")
        return self._sum(Difference(self._prediction(x), first))

    def _prediction(self, x: Floats) -> Prediction:
        return Prediction(self.predictors(x[self.units]), self.codes, "mean")

    def _slope(self, x: Floats) -> Slope:
        at = x[self.units]
        return Slope(self.predictors(at), self.rates(at), self.codes, "mean")

    def _by_unit(self) -> Sets:
        n = len(self.units)
        return Sets.of(np.arange(n), self.units, np.ones(n))

    def _sum(self, estimand: Estimand) -> Averages:
        """Of all rows."""
        n = len(self.units)
        found = self._averages(estimand, Sets.of(np.arange(n), np.zeros(n, np.int64), np.ones(n)))
        return Averages(found.mean * n, found.draws * n)

    def _averages(self, estimand: Estimand, sets: Sets) -> Averages:
        return Averages.of(estimand, self.posterior, self.codes, self.new_levels, sets)

    def _draws(self, estimand: Estimand, sets: Sets) -> Floats:
        return draws_of_means(estimand, self.posterior, self.codes, self.new_levels, sets)


@dataclass(frozen=True)
class Shape:
    """How the expected returns of units go on between their bounds, (m,) each."""

    is_straight: Bools
    is_concave: Bools


def shape_of(returns: Returns, low: Floats, high: Floats) -> Shape:
    """Whether slopes are the same from bound to bound, and whether they never rise."""
    looks = np.linspace(0, 1, _LOOKS)
    looks[0] = _NEAR  # where all are 0 slopes may have no end
    slopes = np.array([returns.expected(low + t * (high - low))[1] for t in looks])
    size = np.abs(slopes).max(axis=0)
    change = np.diff(slopes, axis=0)
    return Shape(
        np.abs(change).max(axis=0) <= _STRAIGHT * size, change.max(axis=0) <= _STRAIGHT * size
    )


@dataclass(frozen=True)
class Problem:
    """Amounts of m units, of so many rows each, that have a total and lie between bounds."""

    sizes: Ints
    total: float
    low: Floats
    high: Floats

    def solve(self, objective: Objective, start: Floats, tolerance: float) -> Floats:
        """Amounts with the largest objective, (m,), from some within the bounds.

        By scipy's sequential quadratic programming, again from where it ends, as long as what one
        more of the total brings differs between units by more than the tolerance. Raises
        RuntimeError where that does not end.
        """
        x = start
        for _ in range(_MOST_RUNS):
            x = self._climbed(objective, x)
            if self.gap(x, objective(x)[1]) <= tolerance:
                return x
        raise RuntimeError(
            "No allocation was found: what one more of the total brings still differs between "
            f"units by {self.gap(x, objective(x)[1]):.1%}. Give narrower bounds, or decide for "
            "fewer groups."
        )

    def gap(self, x: Floats, rates: Floats) -> float:
        """How much more the total would bring, at most, where it is not, by what it brings there.

        Of the largest rate at which a unit may get more, and the smallest at which one may get
        less: their difference, in sizes of the one in the middle.
        """
        marginal = rates / self.sizes
        near = _AT_BOUND * self.total / self.sizes.sum()
        more, less = marginal[x < self.high - near], marginal[x > self.low + near]
        if not len(more) or not len(less):
            return 0.0
        size = max(float(np.median(np.abs(less))), np.finfo(float).tiny)
        return max(float(more.max() - less.min()) / size, 0.0)

    def _climbed(self, objective: Objective, start: Floats) -> Floats:
        """Amounts at which one run of the solver ends."""
        scale = self.total / self.sizes.sum()
        value, rates = objective(start)
        height = max(float(np.median(np.abs(rates)) * scale), np.finfo(float).tiny)

        def loss(u: Floats) -> tuple[float, Floats]:
            found, slopes = objective(np.clip(u * scale, self.low, self.high))
            return (value - found) / height, -slopes * scale / height

        shares = self.sizes / self.sizes.sum()
        whole: Any = {"type": "eq", "fun": lambda u: shares @ u - 1, "jac": lambda _: shares}
        run: Any = minimize
        found = run(
            loss,
            start / scale,
            jac=True,
            method="SLSQP",
            bounds=list(zip(self.low / scale, self.high / scale, strict=True)),
            constraints=whole,
            options={"maxiter": _MOST_STEPS, "ftol": _TOLERANCE},
        )
        return self.within(found.x * scale)

    def within(self, start: Floats) -> Floats:
        """The start with this total within the bounds: what is free of it stretched or shrunk."""
        amounts = np.clip(start, self.low, self.high)
        missing = self.total - float(self.sizes @ amounts)
        room = self.high - amounts if missing > 0 else amounts - self.low
        capacity = float(self.sizes @ room)
        if capacity > 0:
            amounts = amounts + room * (missing / capacity)
        return np.clip(amounts, self.low, self.high)

    def bound_of(self, x: Floats) -> list[str]:
        """Which bound each amount is at: "lower", "upper" or ""."""
        near = _AT_BOUND * self.total / self.sizes.sum()
        at = np.where(x <= self.low + near, "lower", np.where(x >= self.high - near, "upper", ""))
        return [str(one) for one in at]
