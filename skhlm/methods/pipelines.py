"""Response curves over the input columns of a pipeline that ends in an `HLMRegressor`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skhlm._typing import Bools, Floats, Ints
from skhlm.methods.interpretation import (
    InterpretationMixin,
    check_no_name,
    frame_along,
    values_of,
)
from skhlm.posterior import Kind
from skhlm.reports import curves


def response_curve(
    estimator: Any,
    X: Any = None,
    feature: Any = None,
    grid: Any = None,
    coverage: float = 0.9,
    kind: Kind = "mean",
    slope: bool = False,
) -> pd.DataFrame:
    """The expected value, or a new observation, as one input of a pipeline moves.

    Each row of X is taken through the steps of the pipeline at each point of the grid, so that the
    curve is over what the pipeline is given: spend, where a step makes its logarithm and powers.

    Parameters
    ----------
    estimator : HLMRegressor or Pipeline
        Fitted; a pipeline's last step is an `HLMRegressor`.
    X : frame or array-like of shape (n_samples, n_features), default=None
        Rows as the pipeline takes them. None for an `HLMRegressor` alone, as in its method.
    feature : str or int
        The column of X that moves.
    grid : array-like of shape (n_points,), default=None
        Its values; None is 50 points over its range in X (for an `HLMRegressor` alone, in the
        training data).
    coverage : float in (0, 1), default=0.9
        Posterior probability of the central interval at each point.
    kind : {"mean", "outcome"}, default="mean"
        Interval of the expected value, or of a new observation.
    slope : bool, default=False
        Whether to report the slope in the feature as well, by differences.

    Returns
    -------
    curve : DataFrame
        As `HLMRegressor.response_curve` returns it. ``extrapolated`` says whether a predictor that
        moves is outside its training range, after the steps.

    Raises
    ------
    TypeError
        When the estimator is neither. A `TransformedTargetRegressor` is not: ask for the curve of
        its ``regressor_``, and take the ends of intervals of new observations through
        ``transformer_.inverse_transform``.

    See Also
    --------
    HLMRegressor.response_curve : Without a pipeline; there also for inputs given by a callable.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import skhlm
    >>> X = pd.DataFrame({"spend": np.linspace(0.0, 3.0, 20), "country": ["A", "B"] * 10})
    >>> model = skhlm.HLMRegressor("country", algorithm="map", random_state=0)
    >>> curve = skhlm.response_curve(model.fit(X, X["spend"] ** 2), X[:2], "spend", [1.0, 2.0])
    >>> curve.columns.tolist()
    ['row', 'country', 'spend', 'mean', 'lower', 'upper', 'extrapolated']
    """
    if isinstance(estimator, InterpretationMixin):
        alone: pd.DataFrame = estimator.response_curve(X, feature, grid, coverage, kind, slope)
        return alone
    model = _final_step(estimator)
    check_no_name(X)
    column = _column_of(X, feature)
    points = curves.check_grid(
        np.linspace(column.min(), column.max(), curves.N_POINTS) if grid is None else grid
    )
    seen = _see(estimator, X, feature, points)
    n, T = _num_samples(X), len(points)
    posterior = model._posterior
    ends = posterior.interval(seen.predictors, seen.codes, coverage, kind)
    numbers: dict[str, Any] = {
        "mean": posterior.expected_value(seen.predictors, seen.codes),
        "lower": ends[:, 0],
        "upper": ends[:, 1],
        "extrapolated": _outside(estimator, X, feature, points),
    }
    if slope:
        rates = _rates(estimator, X, feature, points, coverage)
        numbers |= dict(zip(("slope", "slope_lower", "slope_upper"), rates.T, strict=True))
    values = {name: value[::T] for name, value in seen.values.items()}
    shaped = {name: np.reshape(x, (n, T)) for name, x in numbers.items()}
    return frame_along(values, str(feature), points, shaped)


class _Seen(NamedTuple):
    """Rows as the last step sees them: predictors (N, p), codes (N, G), group columns."""

    predictors: Floats
    codes: Ints
    values: dict[str, list[object]]


def _final_step(estimator: Any) -> InterpretationMixin:
    """The `HLMRegressor` at the end of a pipeline."""
    if isinstance(estimator, Pipeline) and isinstance(estimator[-1], InterpretationMixin):
        return estimator[-1]
    raise TypeError(
        "estimator must be an HLMRegressor or a Pipeline that ends in one, got "
        f"{type(estimator).__name__}. Of a search pass best_estimator_, of a "
        "TransformedTargetRegressor regressor_."
    )


def _column_of(X: Any, feature: Any) -> Floats:
    """Values of the feature in X, as numbers."""
    if X is None:
        raise ValueError(
            "X: give rows. What goes into a pipeline cannot be told from what its last step saw."
        )
    known = X.columns if hasattr(X, "columns") else range(np.shape(X)[1])
    if feature not in known:
        raise ValueError(f"feature: X has no column {feature!r}. It has {list(known)}.")
    return np.asarray(_safe_indexing(X, feature, axis=1), dtype=np.float64)


def _see(estimator: Pipeline, X: Any, feature: Any, points: Floats) -> _Seen:
    """Each row of X at each of (T,) points, after all steps but the last."""
    n = _num_samples(X)
    moved = _moved(X, np.repeat(np.arange(n), len(points)), feature, np.tile(points, n))
    predictors, codes, columns = estimator[-1]._rows(estimator[:-1].transform(moved))
    return _Seen(predictors, codes, values_of(columns))


def _moved(X: Any, rows: Ints, feature: Any, values: Floats) -> Any:
    """Some rows of X with other values of the feature."""
    if hasattr(X, "iloc"):
        return X.iloc[rows].assign(**{feature: values})
    if hasattr(X, "with_columns"):
        return X[rows].with_columns(**{feature: values})
    array = np.asarray(X)[rows]
    array[:, feature] = values
    return array


def _rates(estimator: Pipeline, X: Any, feature: Any, points: Floats, coverage: float) -> Floats:
    """Mean and interval of the slope in the feature, (n T, 3): differences over a small step."""
    below, above = curves.difference_points(points)
    posterior = estimator[-1]._posterior
    first, last = (_see(estimator, X, feature, ends) for ends in (below, above))
    rise = posterior.units.centred(last.predictors) - posterior.units.centred(first.predictors)
    Z = rise / np.tile(above - below, _num_samples(X))[:, None]
    slope, level = (curves.Points(z[:, None], last.codes) for z in (Z, np.zeros_like(Z)))
    same = np.zeros(last.codes.shape, dtype=np.bool_)
    found: Floats = curves.compare_points(posterior, slope, level, same, coverage)[:, 0, :3]
    return found


def _outside(estimator: Pipeline, X: Any, feature: Any, points: Floats) -> Bools:
    """Whether a predictor that moves with the feature is outside its training range, (n, T)."""
    _, above = curves.difference_points(points)
    seen = _see(estimator, X, feature, np.append(points, above[:1]))  # one point moves nothing
    predictors = seen.predictors.reshape(_num_samples(X), len(points) + 1, -1)
    moves = (predictors != predictors[:, :1]).any(axis=(0, 1))
    ranges = estimator[-1]._spec.ranges
    outside: Bools = np.any(ranges.outside(predictors[:, :-1])[:, :, moves], axis=-1)
    return outside
