"""Averages over rows, or over groups of them, of expected values, slopes and differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import validate_params

from skhlm.inputs.frames import as_table, check_weight
from skhlm.methods.arguments import COVERAGE, FACTOR, SCALE
from skhlm.methods.coverages import Coverage, several_coverages
from skhlm.methods.own_points import find_own_input
from skhlm.methods.rows_together import Rows, frame_of_groups, group_rows, route_of
from skhlm.reports.averages import Averages, Difference, Estimand, Prediction, Sets, Slope
from skhlm.reports.curves import Derive, Scale

_COMMON = {"coverage": COVERAGE, "kind": SCALE}
_DERIVE = {"derive": [callable, None]}
_FACTOR = {"factor": FACTOR}


@several_coverages
@validate_params(_COMMON, prefer_skip_nested_validation=True)
def average_prediction(
    estimator: Any,
    X: Any,
    *,
    by: Any = None,
    sample_weight: Any = None,
    coverage: Coverage = 0.9,
    kind: Scale = "mean",
) -> pd.DataFrame:
    """Mean of the expected values of rows, over all of them or by group.

    Parameters
    ----------
    estimator : estimator
        A fitted `HLMRegressor` or `HLMClassifier`, alone or inside pipelines, searches and targets
        that are logarithms.
    X : frame or array-like of shape (n_samples, n_features)
        Rows as the estimator takes them: those to average over.
    by : str, int or list of these, default=None
        Columns of X: a mean for each combination of their values. None is one mean of all rows.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in their mean; rows of weight 0 are left out.
    coverage : float in (0, 1) or list of these, default=0.9
        Posterior probability of the central interval. Several give columns such as ``lower_50`` and
        ``upper_50`` for each.
    kind : {"mean", "link"}, default="mean"
        Of the expected value, of a classifier the probability of the second class; or of eta = x'
        beta, log odds or a logarithm.

    Returns
    -------
    averages : DataFrame
        One row for each group: the columns of ``by``, ``n_rows``, ``mean`` (that of `predict`, of a
        classifier of `predict_proba`), ``lower`` and ``upper``; with ``by`` also
        ``probability_best``, that of all groups it has the largest mean, and ``expected_rank``, 1
        being the largest. Groups that are the same in a draw share their ranks.

    Raises
    ------
    NotFittedError
        When the estimator is not fitted.
    TypeError
        When there is no `HLMRegressor` in it.
    ValueError
        When X has no such column; when y is transformed inside the estimator, unless by a
        logarithm and with normal residuals, so that expected values of y are known.

    Warns
    -----
    UserWarning
        As `HLMRegressor.predict`, if expected values of new levels rest on few draws of tau.

    See Also
    --------
    average_slope : What one more unit brings.
    average_difference : What a change of an input brings.

    Notes
    -----
    Bands and probabilities come from the joint posterior: all rows have the same coefficients in a
    draw, and rows of one new level the same effects. They are those of the mean over these very
    rows, as if there were no others.

    Examples
    --------
    >>> from skhlm import HLMRegressor, average_prediction
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = HLMRegressor("subject", random_state=0).fit(X, y)
    >>> average_prediction(model, X, by="subject").columns.tolist()
    ['subject', 'n_rows', 'mean', 'lower', 'upper', 'probability_best', 'expected_rank']
    """
    route = route_of(estimator, X, kind)
    rows = Rows.read(route.model, X, route.features(as_table(X)))
    estimand = Prediction(rows.predictors, rows.codes, kind)
    rows.warn_of_few_draws(kind)
    return _frame(rows, estimand, "mean", by, sample_weight, coverage)


@several_coverages
@validate_params(_COMMON | _DERIVE, prefer_skip_nested_validation=True)
def average_slope(
    estimator: Any,
    X: Any,
    feature: Any = None,
    *,
    by: Any = None,
    sample_weight: Any = None,
    coverage: Coverage = 0.9,
    kind: Scale = "mean",
    derive: Derive | None = None,
) -> pd.DataFrame:
    """Mean over rows of what one more unit of an input brings to each: of marginal returns.

    Parameters
    ----------
    estimator, X, by, sample_weight, coverage, kind
        As in `average_prediction`.
    feature : str or int
        The column of X in which slopes are taken, each where the row is.
    derive : callable, default=None
        Without a pipeline: from values of the feature, which is then a column of X beside or in
        the place of predictors, to a mapping of the predictors derived from it, as in
        `HLMRegressor.response_curve`.

    Returns
    -------
    averages : DataFrame
        As that of `average_prediction`, with ``slope`` for ``mean``, and ``probability``, that it
        is above zero.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As `average_prediction`; and ValueError where a row has no number to move from, or the
        feature is a group column of the model.

    See Also
    --------
    average_difference : For changes that are no small ones, and for inputs that are no numbers.

    Notes
    -----
    Slopes of predictors themselves are exact, those through a pipeline or ``derive`` differences,
    as in `response_curve`.

    Examples
    --------
    >>> from skhlm import HLMRegressor, average_slope
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = HLMRegressor("subject", random_state=0).fit(X, y)
    >>> bool(average_slope(model, X, "days")["slope"].between(9, 12).all())
    True
    """
    route = route_of(estimator, X, kind)
    moving = find_own_input(route, X, feature, derive)
    rows = moving.rows
    rates = moving.rates(rows, moving.own)
    estimand = Slope(rows.predictors, rates, rows.codes, kind)
    rows.warn_of_few_draws(kind)
    return _frame(rows, estimand, "slope", by, sample_weight, coverage)


@several_coverages
@validate_params(_COMMON | _DERIVE | _FACTOR, prefer_skip_nested_validation=True)
def average_difference(
    estimator: Any,
    X: Any,
    feature: Any = None,
    *,
    end: Any = None,
    start: Any = None,
    factor: float | None = None,
    by: Any = None,
    sample_weight: Any = None,
    coverage: Coverage = 0.9,
    kind: Scale = "mean",
    derive: Derive | None = None,
) -> pd.DataFrame:
    """Mean over rows of what a change of an input brings to each.

    Parameters
    ----------
    estimator, X, by, sample_weight, coverage, kind
        As in `average_prediction`.
    feature : str or int
        The column of X that changes.
    end, start : value, array-like of shape (n_samples,) or callable
        Where it goes and where it comes from: a value for all rows, one for each, or a function of
        the values that the rows have, such as ``lambda spend: spend + 10``. No start is what each
        row has.
    factor : float, default=None
        In the place of an end: it goes to so many times where it comes from. 2 doubles what each
        row has.
    derive : callable, default=None
        As in `average_slope`.

    Returns
    -------
    averages : DataFrame
        As that of `average_prediction`, with ``difference`` for ``mean``, that at the end less that
        at the start, and ``probability``, that it is above zero.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As `average_slope`; and ValueError for values that are none, or none for each row, for an
        end and a factor both, or for neither, and for a factor of what is no number.

    See Also
    --------
    compare_points : Row by row.

    Examples
    --------
    >>> from skhlm import HLMRegressor, average_difference
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = HLMRegressor("subject", random_state=0).fit(X, y)
    >>> found = average_difference(model, X, "days", start=0, end=9)
    >>> bool(found["difference"].between(80, 110).all())
    True
    """
    route = route_of(estimator, X, kind)
    moving = find_own_input(route, X, feature, derive)
    rows = moving.rows
    change = moving.change(rows, start, end, factor)
    both = (Prediction(X, rows.codes, kind) for X in (change.after, change.before))
    rows.moved(change.after).warn_of_few_draws(kind)
    return _frame(rows, Difference(*both), "difference", by, sample_weight, coverage)


def _frame(
    rows: Rows, estimand: Estimand, name: str, by: Any, sample_weight: Any, coverage: float
) -> pd.DataFrame:
    """Averages of an estimand of rows, a row for each group."""
    weight = check_weight(sample_weight, rows.predictors)
    used = np.flatnonzero(weight > 0)
    groups, numbers = group_rows(rows.X, by, used)
    rows, sets = rows.some(used), Sets.of(np.arange(len(used)), numbers, weight[used])
    posterior, estimand = rows.model._posterior, estimand.some(used)
    averages = Averages.of(estimand, posterior, rows.codes, rows.new_levels, sets)
    columns: dict[str, Any] = {"n_rows": np.bincount(numbers), name: averages.mean}
    columns["lower"], columns["upper"] = averages.interval(coverage).T
    if name != "mean":
        columns["probability"] = averages.above_zero()
    if by is not None:
        columns["probability_best"], columns["expected_rank"] = averages.ranks()
    return frame_of_groups(groups, columns)
