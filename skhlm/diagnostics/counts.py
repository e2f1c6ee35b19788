"""Are counts and shares as the model says: do they vary more, are there more zeros?

A statistic T(y, theta) whose distribution given the parameters theta is known has the same one at a
draw of theta from the posterior, since (y, theta) is then a draw from the model and its priors:
Johnson (2007), doi:10.1214/07-BA229. So tail probabilities P(T(y', theta) >= T(y, theta) | theta)
are uniform for one draw, and their mean over any number of draws is below p with a probability of
at most 2 p, however much these depend on each other: Meng (1994), doi:10.1214/aos/1176325622. No
degrees of freedom are counted and no outcome is replicated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import pearson3

from skhlm._typing import Floats, Ints
from skhlm.diagnostics.checks import Check, judge
from skhlm.families import Excess, Family
from skhlm.inputs.design import Rows
from skhlm.posterior import Posterior, prediction

PROBABILITY_NOTE = 0.001  # so at most one model in 500 that is right gets a note
VARIANCE_WARN = 1.5  # times what it should be: 90% intervals are 82% ones
MOST_DRAWS, FEWEST_DRAWS = 100, 8
MOST_NUMBERS = 4_000_000  # rows x draws: below half a second

_SOURCE = "Johnson 2007, doi:10.1214/07-BA229; our choice"


def check_counts(posterior: Posterior, rows: Rows) -> tuple[Check, ...]:
    """Of counts or shares that vary more than the model says, or of more zeros.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
        Those of fit, in the user's units.

    Returns
    -------
    checks : tuple of Check
        "dispersion" where the variance is told by the mean, as of Poisson counts and shares of
        several trials, "zeros" of all counts; none for other outcomes. ``value`` is the probability
        of at least so much by chance, and among data sets of a model that is right at most
        2 x ``threshold`` get a note. Dispersion warns if outcomes also have half as much variance
        again about their means as the model gives them, so that intervals are much too narrow.

    Notes
    -----
    T is the sum over rows of `Family.excess_variance` or `Family.excess_zeros`, and its tail that
    of the gamma distribution with its mean, variance and third moment.
    """
    if not posterior.family.is_discrete:
        return ()
    n_draws = MOST_NUMBERS // max(1, len(rows.y))
    few = posterior.thinned(int(np.clip(n_draws, FEWEST_DRAWS, MOST_DRAWS)))
    seen = _shares(rows) if few.family.is_binary else _counts(rows)
    return tuple(_checks(few, seen)) if len(seen.y) else ()


@dataclass(frozen=True)
class _Seen:
    """What was seen: levels (N, G), and of how many rows, and trials in each, an outcome is."""

    X: Floats
    codes: Ints
    y: Floats
    weight: Floats
    trials: Floats


def _counts(rows: Rows) -> _Seen:
    """Counts by their weights."""
    codes = rows.codes[rows.cell]
    return _Seen(rows.X, codes, rows.y, rows.weight, np.ones(len(rows.y)))


def _shares(rows: Rows) -> _Seen:
    """Shares of several trials, as they were given: equal ones are not one of more trials.

    Where all are 0 or 1 there are none: such rows are single trials, and weights say how many.
    """
    y, trials = rows.y[rows.given], rows.given_weight
    several = (trials > 1) & ((y != 0) & (y != 1)).any()
    which = rows.given[several]
    codes = rows.codes[rows.cell[which]]
    return _Seen(rows.X[which], codes, y[several], np.ones(len(which)), trials[several])


def _checks(posterior: Posterior, rows: _Seen) -> Iterator[Check]:
    """Those that apply to the family."""
    family, aux = posterior.family, posterior.auxiliary
    dispersion = _sum_up(posterior, rows, family.excess_variance)
    if dispersion is not None:
        yield _dispersion(dispersion, family)
    zeros = _sum_up(posterior, rows, lambda y, eta, _: family.excess_zeros(y, eta, aux))
    if zeros is not None:
        yield _zeros(zeros, float(rows.weight @ (rows.y == 0)), family.wider)


@dataclass(frozen=True)
class _Total:
    """Sums over all rows of an `Excess`, (S,) each, and of what chance alone makes of them."""

    value: Floats
    variance: Floats
    third: Floats
    scale: Floats
    chance: Floats
    step: float

    @property
    def probability(self) -> float:
        """Of at least as much by chance, averaged over draws; half a step less, as of integers."""
        sd = np.sqrt(self.variance)
        known = sd > 0
        z = (self.value[known] - 0.5 * self.step) / sd[known]
        skewness = self.third[known] / self.variance[known] / sd[known]
        tails = np.ones(len(sd))
        tails[known] = pearson3.sf(z, skewness)
        return float(tails.mean())

    @property
    def variance_ratio(self) -> float:
        """Variance of outcomes about their means over that of the model, averaged over draws."""
        return float((1 + self.value / np.maximum(self.chance, 1e-300)).mean())

    @property
    def estimate(self) -> float:
        """What it is about, averaged over draws."""
        return float((self.value / np.maximum(self.scale, 1e-300)).mean())


def _sum_up(
    posterior: Posterior, rows: _Seen, excess: Callable[[Floats, Floats, Floats], Excess | None]
) -> _Total | None:
    """Sums over rows, by their weights; None where there is no such statistic."""
    totals, step = np.zeros((5, posterior.n_draws)), 0.0
    family, aux = posterior.family, posterior.auxiliary
    for chosen, eta in prediction.draws_of_eta(posterior, rows.X, rows.codes, width=8):
        found = excess(rows.y[chosen, None], eta, rows.trials[chosen, None])
        if found is None:
            return None
        *parts, step = found
        parts.append(rows.trials[chosen, None] * family.variance(eta, aux))
        totals += [rows.weight[chosen] @ np.broadcast_to(part, eta.shape) for part in parts]
    value, variance, third, scale, chance = totals
    return _Total(value, variance, third, scale, chance, step)


def _dispersion(total: _Total, family: Family) -> Check:
    """Counts or shares that vary more than their means say."""
    variation = np.sqrt(max(total.estimate, 0.0))
    if family.is_binary:
        what, behind, amount = "shares", "log odds", f"{variation:.2f}"
        remedy = (
            "Number the rows in a column, and let the intercept vary by it, groups=[..., 'row'] "
            "and varying={'row': 'intercept'}: its tau is this spread."
        )
    else:
        what, behind, amount = "counts", "rates", f"{variation:.0%} of themselves"
        remedy = _advise_wider(family.wider)
    advice = (
        f"The {what} vary more than chance alone makes them: the {behind} behind them differ from "
        f"row to row by more than the predictors and groups say, by about {amount}. Outcomes have "
        f"{total.variance_ratio:.2g} times the variance about their means that the model gives "
        f"them, and intervals are too narrow. {remedy}"
    )
    return _judge("dispersion", total, advice, warns=total.variance_ratio > VARIANCE_WARN)


def _zeros(total: _Total, n_zeros: float, wider: str | None) -> Check:
    """Zeros that nothing in the model explains."""
    expected = n_zeros - float(total.value.mean())
    advice = (
        f"There are {n_zeros:.0f} zeros, and the model expects {expected:.0f}: some rows may be "
        "ones in which nothing can happen. posterior_predictive_check(statistics='zeros', by=...) "
        "shows in which groups. Leave such rows out, or model whether there is anything by itself. "
        f"{_advise_wider(wider)}"
    )
    return _judge("zeros", total, advice.rstrip())


def _advise_wider(wider: str | None) -> str:
    """Another family, if there is one of a larger variance."""
    return "" if wider is None else f"family={wider!r} has a parameter for larger variances."


def _judge(name: str, total: _Total, advice: str, warns: bool = False) -> Check:
    """A note where chance hardly makes so much, or a warning."""
    p = total.probability
    rare = p < PROBABILITY_NOTE
    return judge(name, p, PROBABILITY_NOTE, _SOURCE, advice, notes=rare, warns=rare and warns)
