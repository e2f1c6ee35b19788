"""How a budget is best spread over rows, or over groups of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skhlm._typing import Floats, Ints
from skhlm.inputs.columns import listed
from skhlm.methods.arguments import COVERAGE, UNIT_INTERVAL
from skhlm.methods.own_points import OwnInput, find_own_input
from skhlm.methods.rows_together import Rows, group_rows, route_of
from skhlm.numerics.digits import significant
from skhlm.reports import allocation
from skhlm.reports.curves import Derive
from skhlm.reports.frames import free_names

_MOST_UNITS = 1000
_NEARLY_NONE = 1e-6  # of the mean amount, where none has no predictors
_MARGINAL = ("marginal", "marginal_lower", "marginal_upper")
_ROUNDING = 1e-12
_OBJECTIVE = [StrOptions({"expected"}), UNIT_INTERVAL]
_TOTAL = [Interval(Real, 0, None, closed="neither"), None]


@dataclass(frozen=True)
class Allocation:
    """How a total is spread, and what that brings.

    Attributes
    ----------
    units : DataFrame
        One row for each row of X, or for each group: the columns of ``by`` or ``row``, ``n_rows``,
        ``start`` and ``end`` (amounts of each row, before and after), ``marginal`` (what one more
        brings at the end) with ``marginal_lower`` and ``marginal_upper``, ``bound`` ("lower",
        "upper" or "", where marginals are equal for "expected") and ``extrapolated``, whether a
        predictor is then outside its training range.
    gain, lower, upper : float
        What the end brings beyond the start in all rows together: posterior mean and interval.
    probability : float
        Of a gain above zero.
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
    total: float
    feature: str
    coverage: float

    def __str__(self) -> str:
        """The gain and the units."""
        gain, lower, upper = map(significant, (self.gain, self.lower, self.upper))
        return (
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
        Of each row's amount: numbers, None for 0 or no bound, or, one for each unit, an array in
        the order of the units or, with a single column ``by``, a mapping from its values.
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
        When returns are straight lines and there is no upper bound, so that all of the total
        belongs in one place; when the total is not within the bounds; when a row has no amount.
    RuntimeError
        When the solver does not converge.

    Warns
    -----
    UserWarning
        When returns rise faster and faster somewhere between the bounds: what is found is then
        the best nearby, and there may be a better one elsewhere.

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
    own = _amounts(moving)
    rows = Rows.read(route.model, X, moving.rows)
    groups, units = _units(rows, by)
    returns = allocation.Returns(
        rows.model._posterior,
        rows.codes,
        rows.new_levels,
        units,
        lambda at: moving.moved(rows.predictors, at, "the amount"),
        lambda at: moving.rates(moving.here(rows.predictors), at),
    )
    total = float(own.sum()) if total is None else float(total)
    low, high, is_bounded = _bounds(bounds, groups, returns, total)
    _check_room(returns.sizes, total, low, high)
    _check_shape(returns, low, high, is_bounded=is_bounded)
    present = np.bincount(units, own) / returns.sizes
    best = allocation.best_amounts(
        returns.expected if objective == "expected" else returns.quantile(float(objective)),
        allocation.within(present, returns.sizes, total, low, high),
        returns.sizes,
        total,
        low,
        high,
    )
    gain, marginal = returns.gain(best, own), returns.marginal(best)
    (lower, upper), band = gain.interval(coverage)[0], marginal.interval(coverage)
    numbers: dict[str, Any] = {"n_rows": returns.sizes, "start": present, "end": best}
    numbers |= {
        "marginal": marginal.mean,
        "marginal_lower": band[:, 0],
        "marginal_upper": band[:, 1],
    }
    numbers["bound"] = allocation.bound_of(best, low, high)
    outside = np.any(route.model._spec.ranges.outside(returns.predictors(best[units])), axis=1)
    numbers["extrapolated"] = np.bincount(units, outside) > 0
    names = free_names(map(str, groups.columns), numbers)
    frame = pd.concat([groups.set_axis(names, axis=1), pd.DataFrame(numbers)], axis=1)
    return Allocation(
        units=frame,
        gain=float(gain.mean[0]),
        lower=float(lower),
        upper=float(upper),
        probability=float(gain.above_zero()[0]),
        total=total,
        feature=moving.name,
        coverage=coverage,
    )


def _amounts(moving: OwnInput) -> Floats:
    """What rows have, (n,): numbers, none of them below zero."""
    own: Floats = moving.own
    if own.dtype != np.float64:
        raise ValueError("feature: what has categories cannot be spent; it must be a number.")
    if (negative := np.flatnonzero(own < 0)).size:
        raise ValueError(
            f"feature: an amount cannot be negative, and is {own[negative[0]]} in row "
            f"{negative[0]}. If it is a logarithm or standardised, give what it was made of, with "
            "derive or a pipeline."
        )
    if not own.any():
        raise ValueError("feature: no row has any amount. Give X with what is spent now.")
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


def _bounds(
    bounds: Any, groups: pd.DataFrame, returns: allocation.Returns, total: float
) -> tuple[Floats, Floats, bool]:
    """Lower and upper bounds of units, (m,) both, and whether the upper ones were given."""
    if bounds is not None and len(bounds) != 2:
        raise ValueError(f"bounds must be a pair, (low, high), got {bounds!r}.")
    given_low, given_high = bounds or (None, None)
    low, high = np.zeros(len(groups)), total / returns.sizes
    if given_low is not None:
        low = _bound(given_low, groups, "low")
    elif not _is_possible(returns, low):
        low += _NEARLY_NONE * total / len(returns.units)
    if given_high is not None:
        given_high = _bound(given_high, groups, "high")
        if wrong := np.flatnonzero(low > given_high).tolist():
            raise ValueError(
                f"bounds: of {_name(groups, wrong[0])} the lower bound is {low[wrong[0]]:.6g} and "
                f"the upper one {given_high[wrong[0]]:.6g}."
            )
        high = np.minimum(given_high, high)
    return low, high, given_high is not None


def _is_possible(returns: allocation.Returns, x: Floats) -> bool:
    """Whether amounts have predictors, which a logarithm of 0 is not."""
    try:
        with np.errstate(all="ignore"):
            returns.predictors(x[returns.units])
    except ValueError:
        return False
    return True


def _name(groups: pd.DataFrame, i: int) -> str:
    """What a unit is called."""
    return ", ".join(f"{key} {value!r}" for key, value in groups.iloc[i].items())


def _bound(given: Any, groups: pd.DataFrame, name: str) -> Floats:
    """A bound of each unit, (m,)."""
    if isinstance(given, (dict, pd.Series)):
        keys = groups.iloc[:, 0].tolist()
        if missing := [key for key in keys if key not in given]:
            raise ValueError(f"bounds: {name} has nothing for {listed(missing)}.")
        given = [given[key] for key in keys]
    try:
        bound = np.broadcast_to(np.asarray(given, dtype=np.float64), (len(groups),))
    except (TypeError, ValueError):
        bound = np.array([np.nan])
    if np.isnan(bound).any() or (bound < 0).any():
        raise ValueError(
            f"bounds: {name} must be a number that is not negative, or one for each of the "
            f"{len(groups)} units, got {given!r}."
        )
    return bound.copy()


def _check_room(sizes: Ints, total: float, low: Floats, high: Floats) -> None:
    """Raise where bounds leave no allocation of this total."""
    least, most = float(sizes @ low), float(sizes @ high)
    if total < least * (1 - _ROUNDING):
        raise ValueError(f"total: {total:.6g} is less than the lower bounds, {least:.6g} in all.")
    if total > most * (1 + _ROUNDING):
        raise ValueError(f"total: {total:.6g} is more than the upper bounds, {most:.6g} in all.")


def _check_shape(
    returns: allocation.Returns, low: Floats, high: Floats, *, is_bounded: bool
) -> None:
    """Raise for straight lines without bounds; warn where returns do not diminish."""
    shape = allocation.shape_of(returns, low, high)
    if shape.is_straight.all() and not is_bounded:
        raise ValueError(
            "The expected outcome is a straight line in the feature: the more the better, and all "
            "of the total belongs where the slope is largest. Give an upper bound, such as "
            "bounds=(0, high), or let returns diminish, as with a logarithm of the feature in the "
            "model."
        )
    if not shape.is_concave.all():
        warnings.warn(
            f"Returns of {int((~shape.is_concave).sum())} of {len(low)} units rise faster and "
            "faster somewhere between the bounds: this allocation is the best of those nearby, and "
            "there may be a better one elsewhere. Give narrower bounds.",
            UserWarning,
            stacklevel=4,
        )
