"""Families whose mean is a curve in eta: the base of binomial, poisson and their like."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from scipy.special import logsumexp

from skhlm._typing import Bools, Floats, Ints
from skhlm.families.concave import ConcaveFamily
from skhlm.families.counts import Recursion
from skhlm.families.evidence import Evidence
from skhlm.families.family import Aux, CoefficientPriors, Flaw
from skhlm.priors import Normal

_HALF_AN_EVENT = 0.5  # so that no event at all is a rate above zero
_RAREST = 1e-100  # mean
_MOST_EVENTS = 3e14  # times the root of the rows: from 6e14 on nothing samples well


class LinkFamily(ConcaveFamily):
    """An outcome of mean link^-1(eta) whose log density is concave in eta, and never scaled.

    Rows differ in their information, so c is 1.
    """

    # whether only rows of the same offset, of the same outcome merge
    same_offset: ClassVar[bool] = True
    same_outcome: ClassVar[bool] = False

    def log_information(self, logs: Sequence[Floats]) -> Floats:
        """Zero."""
        del logs
        return np.zeros(())

    def log_constant(self, y: Floats, weight: Floats) -> Floats:
        """What the log density of a row of this weight has beside weight x `log_density`.

        Zero but for a binomial row, whose weight is its number of trials.
        """
        return np.zeros(np.broadcast_shapes(np.shape(y), np.shape(weight)))

    @abstractmethod
    def variance_over_normal(self, eta: Floats, variance: Floats, aux: Aux) -> Floats:
        """Mean of the outcome's variance at eta + N(0, variance); infinite if too large."""

    def log_density_of_eta(self, y: Floats, aux: Aux) -> Callable[[Floats], Floats]:
        """`log_density` as a function of eta, what eta does not enter worked out once."""
        return lambda eta: self.log_density(y, eta, aux)

    def recursion(self, eta: Floats, aux: Aux) -> Recursion | None:
        """Probabilities of counts from each other; None if outcomes are none."""
        del eta, aux
        return None

    @abstractmethod
    def pooled(self, rows: Evidence, group: Ints) -> tuple[Floats, Floats]:
        """Outcome and offset of rows that stand for all rows of a group, 0, 1, ... each."""

    def tally(self, rows: Evidence) -> tuple[Floats, Floats]:
        """``outcome`` and ``count`` of the evidence: what constants are sums over."""
        return rows.outcome, rows.count

    def compress(self, evidence: Evidence) -> Evidence:
        """One row for all those of a cell that share their predictors, weighing as much.

        Rows come out in an order of their own, by cell, then predictors: it does not matter in
        which they came, nor in how many parts.
        """
        outcome, count = self.tally(evidence)
        keys = [*evidence.X[::-1], evidence.cell]  # the last is the first to sort by
        keys = [evidence.offset, *keys] if self.same_offset else keys
        keys = [evidence.y, *keys] if self.same_outcome else keys
        order = np.lexsort(keys)
        new = np.ones(len(order), dtype=np.bool_)
        new[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
        first = order[new]
        group = np.empty(len(order), dtype=np.int64)
        group[order] = np.cumsum(new) - 1
        y, offset = self.pooled(evidence, group)
        return replace(
            evidence,
            X=np.ascontiguousarray(evidence.X[:, first]),
            y=y,
            weight=group_sum(evidence.weight, group),
            offset=offset,
            cell=evidence.cell[first],
            outcome=outcome,
            count=count,
        )


class LogFamily(LinkFamily):
    """A positive mean exp(eta), exposure x rate."""

    priors = CoefficientPriors(kappa=Normal(0, 2.5), tau=Normal(0, 1))
    more_events: ClassVar[float] = _HALF_AN_EVENT  # than were seen, for the centre

    def centre(self, y: Floats, weight: Floats, offset: Floats) -> float:
        """Log of the events, and half of one, over the exposure."""
        events = np.log(weight @ y + self.more_events)
        return float(events - logsumexp(offset, b=weight))

    def own_variance(self, mean: Floats, aux: Aux) -> Floats:
        """log(1 + Var / mean^2)."""
        mean = np.clip(mean, _RAREST, 1 / _RAREST)
        own: Floats = np.log1p(self.variance(np.log(mean), aux) / np.square(mean))
        return own

    def own_mean(self, y: Floats, weight: Floats, mean: Floats) -> Floats:
        """As if half an event more were known, at the mean."""
        more = _HALF_AN_EVENT / np.maximum(mean, _RAREST)
        return (weight * y + _HALF_AN_EVENT) / (weight + more)


def mean_square(eta: Floats, variance: Floats) -> Floats:
    """Mean of exp(2 x) over x from N(eta, variance)."""
    with np.errstate(over="ignore"):
        square: Floats = np.exp(2 * (eta + variance))
    return square


def alike(values: Floats, group: Ints) -> Floats:
    """The value of each group whose rows all have the same."""
    result = np.empty(group.max(initial=-1) + 1)
    result[group] = values
    return result


def group_sum(values: Floats, group: Ints) -> Floats:
    """Sum of each group."""
    return np.bincount(group, values).astype(np.float64, copy=False)


def group_mean(values: Floats, weight: Floats, group: Ints) -> Floats:
    """Weighted mean of each group; a row alone keeps its value to the last bit."""
    mean = group_sum(weight * values, group) / group_sum(weight, group)
    single = np.bincount(group) == 1
    mean[single] = alike(values, group)[single]
    return mean


def flaw_where(wrong: Bools, remedy: str) -> Flaw | None:
    """Outcomes (n,) that are wrong, if there are any."""
    return Flaw(wrong, remedy) if wrong.any() else None


def flaw_of_many(
    amount: Floats, weight: Floats, most: float, noun: str, remedy: str
) -> Flaw | None:
    """The largest of the rows' amounts, which are events or trials, where all are too many.

    A log density is a sum of as many terms, of which rounding leaves an error of about the total
    times the root of the number of rows: the sampler fails where that is as large as one.
    """
    with np.errstate(over="ignore"):
        total, size = weight @ amount, weight * amount
    return flaw_where(
        (total * np.sqrt(len(amount)) > most) & (size == size.max()),
        f"there are {total:.1e} {noun} in all {len(amount)} rows, and log densities, sums over all "
        "of them, keep too few digits to tell parameters apart. Chance has no part in so many: "
        f"{remedy}",
    )


def flaw_of_many_events(y: Floats, weight: Floats) -> Flaw | None:
    """The largest counts, where all are too many."""
    remedy = "model how large they are, by family='gamma' or by family='normal' of their logarithm."
    return flaw_of_many(y, weight, _MOST_EVENTS, "events", remedy)


def flaw_of_counts(y: Floats, noun: str) -> Flaw | None:
    """Counts that are negative or no whole numbers."""
    return flaw_where(y < 0, f"{noun} are not negative. {_POSITIVE}") or flaw_where(
        y != np.floor(y), f"{noun} are whole numbers: round, or family='gamma'."
    )


_POSITIVE = (
    "Take what is counted, not its logarithm or difference; numbers of any sign are for "
    "family='student_t'."
)
