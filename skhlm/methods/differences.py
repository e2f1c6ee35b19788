"""Differences between two points of an input, row by row, through whatever wraps the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import validate_params

from skhlm.methods.arguments import COVERAGE, FACTOR, SCALE
from skhlm.methods.coverages import Coverage, several_coverages
from skhlm.methods.own_points import find_own_input, outside
from skhlm.methods.rows_together import route_of
from skhlm.reports import curves
from skhlm.reports.frames import repeated_frame
from skhlm.wrappers import Route

DIFFERENCE = ("difference", "lower", "upper", "probability")


@several_coverages
@validate_params(
    {"coverage": COVERAGE, "factor": FACTOR, "kind": SCALE, "derive": [callable, None]},
    prefer_skip_nested_validation=True,
)
def compare_points(
    estimator: Any,
    X: Any,
    feature: Any = None,
    *,
    end: Any = None,
    start: Any = None,
    factor: float | None = None,
    coverage: Coverage = 0.9,
    derive: curves.Derive | None = None,
    kind: curves.Scale = "mean",
) -> pd.DataFrame:
    """Differences between the expected values at two points of each row's curve.

    Parameters
    ----------
    estimator : estimator
        A fitted `HLMRegressor` or `HLMClassifier`, alone or inside pipelines and searches.
    X : frame or array-like of shape (n_samples, n_features)
        Rows as the estimator takes them.
    feature : str or int
        The column of X that changes.
    end, start : value, array-like of shape (n_samples,) or callable
        As in `average_difference`: no start is what each row has.
    factor : float, default=None
        In the place of an end: so many times the start.
    coverage : float in (0, 1) or list of these, default=0.9
        Posterior probability of the central interval. Several give columns such as ``lower_50`` and
        ``upper_50`` for each.
    derive : callable, default=None
        As in `average_slope`.
    kind : {"mean", "link"}, default="mean"
        Differences of expected values, or of eta.

    Returns
    -------
    differences : DataFrame
        As that of `HLMRegressor.compare_points`.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As `average_difference`.

    See Also
    --------
    average_difference : Means of these over rows or groups.
    HLMRegressor.compare_points : Also without rows.

    Examples
    --------
    >>> from skhlm import HLMRegressor, compare_points
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = HLMRegressor("subject", random_state=0).fit(X, y)
    >>> twice = compare_points(model, X.tail(2), "days", factor=2)
    >>> twice[["start", "end"]].to_numpy().tolist()
    [[8.0, 16.0], [9.0, 18.0]]
    """
    return differences(
        route_of(estimator, X, kind), X, feature, start, end, factor, coverage, derive, kind
    )


def differences(
    route: Route,
    X: Any,
    feature: Any,
    start: Any,
    end: Any,
    factor: float | None,
    coverage: float,
    derive: curves.Derive | None,
    kind: curves.Scale,
) -> pd.DataFrame:
    """The same of a model that was found."""
    moving = find_own_input(route, X, feature, derive)
    rows = moving.rows
    change, posterior = moving.change(rows, start, end, factor), rows.model._posterior
    first, last = (
        curves.Points(posterior.units.centred(x)[:, None], rows.codes)
        for x in (change.before, change.after)
    )
    same = np.zeros(rows.codes.shape, dtype=np.bool_)
    found = curves.compare_points(posterior, last, first, same, coverage, kind)[:, 0]
    spec, before, after = rows.model._spec, change.before, change.after
    numbers = {"start": np.asarray(change.start), "end": np.asarray(change.end)}
    numbers |= zip(DIFFERENCE, found.T, strict=True)
    numbers["extrapolated"] = outside(spec, before, after) | outside(spec, after, before)
    return repeated_frame(rows.values, len(found), 1, numbers)
