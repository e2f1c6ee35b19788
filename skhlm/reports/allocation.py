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
_WHOLE = 1e-9  # of the total, by which all of it may be missed
_MOST_STARTS = 8  # units that are tried with all that they may have, or in exchanges
_SMALL = 1e-6  # of the largest rate, below which others are as good as none
_BETTER = 1e-9  # of the objective: what is more than rounding

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
        size = max(float(np.median(np.abs(less))), _SMALL * float(np.abs(marginal).max()))
        if not size:
            return 0.0
        return max(float(more.max() - less.min()) / size, 0.0)

    def _climbed(self, objective: Objective, start: Floats) -> Floats:
        """Amounts at which one run of the solver ends."""
        scale = self.total / self.sizes.sum()
        value, rates = objective(start)
        sizes = np.abs(rates) * scale
        height = max(float(np.median(sizes)), _SMALL * float(sizes.max())) or 1.0

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

    @property
    def is_open(self) -> Bools:
        """Whether the whole total is the only bound from above, (m,)."""
        return np.asarray(self.high * self.sizes >= self.total * (1 - _WHOLE))

    def bound_of(self, x: Floats) -> list[str]:
        """Which bound each amount is at: "lower", "upper", "total" where that is all, or ""."""
        near = _AT_BOUND * self.total / self.sizes.sum()
        highest = np.where(self.is_open, "total", "upper")
        at = np.where(x <= self.low + near, "lower", np.where(x >= self.high - near, highest, ""))
        return [str(one) for one in at]

    def settled(self, x: Floats) -> Floats:
        """The same with amounts that are at a bound there exactly; the others make up for it."""
        near = _AT_BOUND * self.total / self.sizes.sum()
        low, high = x <= self.low + near, x >= self.high - near
        free = ~(low | high)
        settled = np.where(low, self.low, np.where(high, self.high, x))
        missing = self.total - float(self.sizes @ settled)
        if not free.any():
            return settled if abs(missing) <= _WHOLE * self.total else x
        settled[free] += missing / self.sizes[free].sum()
        return np.clip(settled, self.low, self.high)

    def search(self, objective: Objective, start: Floats, tolerance: float) -> Floats:
        """The best of what `solve` finds from several starts, where hills are several.

        These are the start, equal amounts, and of the units with the highest rates each with all
        that it may have. What is found is bettered by exchanges between pairs of units, as long as
        there are such.
        """
        found = []
        for first in self._starts(objective, start):
            try:
                found.append(self.solve(objective, first, tolerance))
            except RuntimeError as error:
                failed = error
        if not found:
            raise failed
        best = max(found, key=lambda x: objective(x)[0])
        for _ in range(_MOST_RUNS):
            other = self._exchanged(objective, best)
            if other is None:
                return best
            try:
                best = max(
                    (other, self.solve(objective, other, tolerance)), key=lambda x: objective(x)[0]
                )
            except RuntimeError:
                best = other
        return best

    def _starts(self, objective: Objective, start: Floats) -> list[Floats]:
        """Where searches begin."""
        full = [start, self.within(np.full_like(start, self.total / self.sizes.sum()))]
        rates = objective(self.within(self.high))[1] / self.sizes
        for unit in np.argsort(-rates)[:_MOST_STARTS].tolist():
            first = self.low.copy()
            room = (self.total - float(self.sizes @ first)) / self.sizes[unit]
            first[unit] = min(self.high[unit], first[unit] + max(room, 0.0))
            full.append(self.within(first))
        return full

    def _exchanged(self, objective: Objective, x: Floats) -> Floats | None:
        """The best exchange between two units, of all that one may give or a part, if one pays."""
        value, rates = objective(x)
        order = np.argsort(rates / self.sizes)
        best = None
        for giver in order[:_MOST_STARTS].tolist():
            for taker in order[::-1][:_MOST_STARTS].tolist():
                for part in (1.0, 0.5, 0.1) if giver != taker else ():
                    other = self._moved(x, giver, taker, part)
                    if (gained := objective(other)[0]) > value + _BETTER * abs(value):
                        value, best = gained, other
        return best

    def _moved(self, x: Floats, giver: int, taker: int, part: float) -> Floats:
        """Amounts after a part of what one unit may give, and another take, has changed hands."""
        gives = (x[giver] - self.low[giver]) * self.sizes[giver]
        takes = (self.high[taker] - x[taker]) * self.sizes[taker]
        amount, moved = part * min(gives, takes), x.copy()
        moved[giver] -= amount / self.sizes[giver]
        moved[taker] += amount / self.sizes[taker]
        return np.clip(moved, self.low, self.high)
