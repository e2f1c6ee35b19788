"""How a budget is best spread over rows, or over groups of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skhlm._typing import Bools, Floats, Ints
from skhlm.exceptions import stacklevel_of_user
from skhlm.methods.arguments import COVERAGE, UNIT_INTERVAL
from skhlm.methods.bounds import read_bounds
from skhlm.methods.made_of import all_names
from skhlm.methods.own_points import OwnInput, find_own_input, outside
from skhlm.methods.rows_together import Rows, frame_of_groups, group_rows, route_of
from skhlm.numerics.digits import significant
from skhlm.preparation import ModelSpec
from skhlm.printable import printable
from skhlm.reports import allocation
from skhlm.reports.curves import Derive

_MOST_UNITS = 1000
_LITTLE = 0.01  # of the mean amount
_FAR = 0.1  # of a predictor's training range
_EQUAL, _NEARLY_EQUAL = 1e-4, 0.02  # marginal returns: expected ones, and those of few draws
_MARGINAL = ("marginal", "marginal_lower", "marginal_upper")
_OBJECTIVE = [StrOptions({"expected"}), UNIT_INTERVAL]
_TOTAL = [Interval(Real, 0, None, closed="neither"), None]


@dataclass(frozen=True, eq=False)
class Allocation:
    """How a total is spread, and what that brings.

    Attributes
    ----------
    units : DataFrame
        One row for each row of X, or for each group: the columns of ``by`` or ``row``, ``n_rows``,
        ``start`` and ``end`` (amounts of each row, before and after), ``marginal`` (what one more
        brings at the end) with ``marginal_lower`` and ``marginal_upper``, ``bound`` ("lower",
        "upper", "total" where a unit without an upper bound has all of it, or "", where marginals
        are equal for "expected") and ``extrapolated``, whether a predictor is then outside its
        training range.
    gain, lower, upper : float
        What the end brings beyond the start in all rows together: posterior mean and interval.
    probability : float
        Of a gain above zero.
    gain_between : float
        What of the gain is not from giving rows of a group the same: that over each row having the
        mean of its group.
    total : float
        What is spent.
    feature : str
        Of what, the column of X.
    coverage : float
        Of the intervals.
    """

    units: pd.DataFrame
    gain: float
    lower: float
    upper: float
    probability: float
    gain_between: float
    total: float
    feature: str
    coverage: float

    def __str__(self) -> str:
        """The gain and the units."""
        gain, lower, upper = map(significant, (self.gain, self.lower, self.upper))
        return printable(
            f"Allocation of {significant(self.total, 6)} over {len(self.units)} units\n"
            f"  gain {gain}, {self.coverage:.0%} interval {lower} to {upper}, above zero with "
            f"probability {self.probability:.3f}\n{self.units.to_string(index=False)}"
        )


@validate_params(
    {
        "total": _TOTAL,
        "objective": _OBJECTIVE,
        "coverage": COVERAGE,
        "derive": [callable, None],
        "bounds": [tuple, list, None],
    },
    prefer_skip_nested_validation=True,
)
def optimize_allocation(
    estimator: Any,
    X: Any,
    feature: Any = None,
    total: float | None = None,
    *,
    by: Any = None,
    bounds: tuple[Any, Any] | None = None,
    objective: str | float = "expected",
    coverage: float = 0.9,
    derive: Derive | None = None,
) -> Allocation:
    """How to spread a budget over rows, or over groups of them, so that it brings the most.

    Parameters
    ----------
    estimator : estimator
        A fitted `HLMRegressor` or `HLMClassifier`, alone or inside pipelines and searches.
    X : frame or array-like of shape (n_samples, n_features)
        Rows to spend on, as the estimator takes them, with what is spent now.
    feature : str or int
        The column of X that is spent.
    total : float, default=None
        What all rows together are to get; None is what they have.
    by : str, int or list of these, default=None
        Columns of X: rows of a group get the same amount each. None decides row by row. At most
        1000 amounts are decided.
    bounds : (low, high), default=None
        Of each row's amount: a number; one for each unit, an array in the order of the units or,
        with a single column ``by``, a mapping from its values; or None. No upper bound is the
        whole total. No lower bound is 0, or where 0 has no predictors, as of a logarithm, the
        smallest amount in X, or a hundredth of the mean amount if that is less.
    objective : "expected" or float in (0, 1), default="expected"
        What is as large as can be: the expected sum of all outcomes, or, to be on the safe side,
        a quantile of that sum over the posterior, such as 0.1.
    coverage : float in (0, 1), default=0.9
        Posterior probability of the intervals of gain and marginal returns.
    derive : callable, default=None
        As in `average_slope`: from amounts to the predictors derived from them.

    Returns
    -------
    allocation : Allocation
        Amounts, the gain over those of X with its interval and probability, marginal returns.

    Raises
    ------
    ValueError
        When expected returns are straight lines and no upper bound is below the total, so that all
        of it belongs in one place; when the total is not within the bounds; when a row has no
        amount or a negative one.
    RuntimeError
        When the solver finds no allocation at which marginal returns are equal.

    Warns
    -----
    UserWarning
        When slopes rise somewhere between the bounds: what is found is then the best from several
        starts and exchanges between pairs, and there may be a better one elsewhere. When more of
        it, where no upper bound is given, takes a predictor beyond its training range by over a
        tenth of that: says which, and how far. As `HLMRegressor.predict`, if expected values of new
        levels rest on few draws of tau.

    See Also
    --------
    average_slope : Marginal returns as things are.
    average_difference : What a given change brings.

    Notes
    -----
    Where returns diminish there is one best allocation, and at it the marginal returns of all units
    within their bounds are equal. It is found by scipy's sequential quadratic programming (Kraft
    1988) from exact derivatives.

    A quantile is that of Harrell and Davis (1982), a weighted mean of ordered draws. It is of the
    expected outcomes, about which the posterior is uncertain, not of new observations. Where an
    allocation is the best by what the data say, its gain is too optimistic, as that of any winner:
    a low quantile is less so.

    References
    ----------
    Harrell and Davis (1982). A new distribution-free quantile estimator. Biometrika 69.
    doi:10.1093/biomet/69.3.635

    Kraft (1988). A software package for sequential quadratic programming. DFVLR-FB 88-28.

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm import HLMRegressor, optimize_allocation
    >>> from skhlm.datasets import make_campaigns
    >>> X, y, _ = make_campaigns(300, n_predictors=1, n_regions=3, random_state=0)
    >>> model = HLMRegressor("region", random_state=0).fit(X[["region", "spend_1"]], y)
    >>> spend = X[["region"]].assign(spend=np.exp(X["spend_1"]))
    >>> found = optimize_allocation(
    ...     model, spend, "spend", by="region", derive=lambda spend: {"spend_1": np.log(spend)}
    ... )
    >>> bool(np.isclose(found.total, spend["spend"].sum())), found.gain > 0
    (True, True)
    """
    route = route_of(estimator, X)
    moving = find_own_input(route, X, feature, derive)
    own = _amounts(moving, total)
    rows = moving.rows
    rows.warn_of_few_draws("mean")
    groups, units = _units(rows, by)
    returns = allocation.Returns(
        rows.model._posterior,
        rows.codes,
        rows.new_levels,
        units,
        lambda at: moving.at(rows, at, "the amount"),
        lambda at: moving.rates(rows, at),
    )
    total, m = float(own.sum() if total is None else total), len(groups)
    problem = read_bounds(
        bounds,
        groups,
        returns.sizes,
        total,
        _least(returns, own, total),
        by_one=by is not None and groups.shape[1] == 1,
    )
    is_expected = objective == "expected"
    is_concave = _check_shape(returns, problem, is_free=is_expected and m > 1)
    present = np.bincount(units, own) / returns.sizes
    best = problem.settled(
        (problem.solve if is_concave else problem.search)(
            returns.expected if is_expected else returns.quantile(float(objective)),
            problem.within(present),
            _EQUAL if is_expected else _NEARLY_EQUAL,
        )
    )
    gain, marginal = returns.gain(best, own), returns.marginal(best)
    (lower, upper), band = gain.interval(coverage)[0], marginal.interval(coverage).T
    numbers: dict[str, Any] = {"n_rows": returns.sizes, "start": present, "end": best}
    numbers |= zip(_MARGINAL, (marginal.mean, *band), strict=True)
    numbers["bound"] = problem.bound_of(best)
    after = returns.predictors(best[units])
    far = outside(route.model._spec, rows.predictors, after)
    numbers["extrapolated"] = np.bincount(units, far) > 0
    free = (best[units] > own) & problem.is_open[units]
    _warn_of_far(route.model._spec, rows.predictors, after, units, free)
    return Allocation(
        units=frame_of_groups(groups, numbers),
        gain=float(gain.mean[0]),
        lower=float(lower),
        upper=float(upper),
        probability=float(gain.above_zero()[0]),
        gain_between=float(returns.gain(best, present[units]).mean[0]),
        total=total,
        feature=moving.name,
        coverage=coverage,
    )


def _amounts(moving: OwnInput, total: float | None) -> Floats:
    """What rows have, (n,): numbers, none of them below zero."""
    own: Floats = moving.own
    if own.dtype != np.float64:
        raise ValueError(
            f"feature: {moving.name!r} has categories, which cannot be spent; give a column of "
            "amounts."
        )
    if (negative := np.flatnonzero(own < 0)).size:
        raise ValueError(
            f"feature: an amount of {moving.name!r} cannot be negative, and is {own[negative[0]]} "
            f"in row {negative[0]}. If it is a logarithm or standardised, give what it was made "
            "of, with derive or a pipeline."
        )
    if total is None and not own.any():
        raise ValueError(
            f"total: no row has any amount of {moving.name!r}, so that there is nothing to spread. "
            "Give a total."
        )
    return own


def _units(rows: Rows, by: Any) -> tuple[pd.DataFrame, Ints]:
    """Names of the units, and which of them each row is in."""
    n = np.arange(len(rows.predictors))
    groups, units = (pd.DataFrame({"row": n}), n) if by is None else group_rows(rows.X, by, n)
    if len(groups) > _MOST_UNITS:
        raise ValueError(
            f"There are {len(groups)} amounts to decide, and at most {_MOST_UNITS} can be. Let "
            "rows of a group have the same: by='country'."
        )
    return groups, units


def _least(returns: allocation.Returns, own: Floats, total: float) -> float:
    """The lower bound where none is given: 0, or where that has no predictors what was spent."""
    try:
        with np.errstate(all="ignore"):
            returns.predictors(np.zeros(len(own)))
    except ValueError:
        return float(min(own[own > 0].min(initial=np.inf), _LITTLE * total / len(own)))
    return 0.0


def _warn_of_far(spec: ModelSpec, before: Floats, after: Floats, units: Ints, free: Bools) -> None:
    """Warn where predictors (n, p) of rows that freely get more are far beyond those of fit."""
    ranges = spec.ranges
    first, beyond = (
        np.maximum(at - ranges.high, ranges.low - at) / ranges.widths for at in (before, after)
    )
    beyond = np.where((beyond > first) & free[:, None], beyond, 0.0)
    far = (beyond > _FAR).any(axis=1)
    if not far.any():
        return
    n_units, m = len(np.unique(units[far])), len(np.unique(units))
    row, k = np.unravel_index(np.argmax(beyond), beyond.shape)
    names = all_names(spec)
    warnings.warn(
        f"The best amounts of {n_units} of {m} units are beyond what fit has seen: {names[k]!r} is "
        f"{after[row, k]:.4g} there, and was {ranges.low[k]:.4g} to {ranges.high[k]:.4g}, so that "
        f"it is {beyond[row, k]:.3g} times that range outside. The curve there is an assumption, "
        "and the gain with it: give bounds=(low, high) within which you believe it.",
        UserWarning,
        stacklevel=stacklevel_of_user(),
    )


def _check_shape(
    returns: allocation.Returns, problem: allocation.Problem, *, is_free: bool
) -> bool:
    """Raise for straight lines that no bound stops; warn where returns do not diminish."""
    shape = allocation.shape_of(returns, problem.low, problem.high)
    is_stopped = (problem.high * returns.sizes < problem.total * (1 - _EQUAL)).any()
    if shape.is_straight.all() and is_free and not is_stopped:
        raise ValueError(
            "The expected outcome is a straight line in the feature: the more the better, and all "
            "of the total belongs where the slope is largest. Give an upper bound, such as "
            "bounds=(0, high), or let returns diminish, as with a logarithm of the feature in the "
            "model."
        )
    if not shape.is_concave.all():
        warnings.warn(
            f"Slopes of {int((~shape.is_concave).sum())} of {len(problem.low)} units rise with the "
            "amount somewhere between the bounds, as where returns grow ever faster, or fall ever "
            "slower: this allocation is the best that was found from several starts, and there may "
            "be a better one elsewhere. Give narrower bounds.",
            UserWarning,
            stacklevel=stacklevel_of_user(),
        )
    return bool(shape.is_concave.all())
