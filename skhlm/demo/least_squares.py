"""The two yardsticks, in plain scikit-learn: least squares for all rows, and for each level apart.

Pooled ignores the groups; unpooled gives every level its own coefficients and shares nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm._typing import Floats


def pooled(predictors: list[str]) -> Pipeline:
    """One regression for all rows."""
    select = ColumnTransformer([("predictors", "passthrough", predictors)])
    return make_pipeline(select, LinearRegression())


def unpooled(levels: Mapping[str, Sequence[str]], predictors: list[str]) -> Pipeline:
    """An intercept and slopes of its own for each level of each group column.

    With one group column it is a regression for each level, with one residual variance for all.
    """
    arguments = {"levels": levels, "predictors": predictors}
    return make_pipeline(FunctionTransformer(_own_columns, kw_args=arguments), LinearRegression())


def t_interval(
    fitted: Pipeline,
    X_train: pd.DataFrame,
    y_train: pd.Series[float],
    X: pd.DataFrame,
    coverage: float,
) -> Floats:
    """Prediction intervals of least squares, shape (n, 2): x'b -+ t s sqrt(1 + x'(A'A)^+ x)."""
    train, rows = (_with_intercept(fitted[:-1].transform(frame)) for frame in (X_train, X))
    freedom = len(train) - np.linalg.matrix_rank(train)
    s = np.sqrt(np.sum((y_train - fitted.predict(X_train)) ** 2) / freedom)
    leverage = np.sum((rows @ np.linalg.pinv(train, rcond=1e-10)) ** 2, axis=1)
    half = stats.t.ppf((1 + coverage) / 2, freedom) * s * np.sqrt(1 + leverage)
    middle: Floats = fitted.predict(X)
    return np.column_stack([middle - half, middle + half])


def _own_columns(
    X: pd.DataFrame, levels: Mapping[str, Sequence[str]], predictors: list[str]
) -> Floats:
    """Indicators of the levels (n, L) times (1, predictors) (n, K): shape (n, L K)."""
    indicators = np.column_stack([X[name] == level for name in levels for level in levels[name]])
    coefficients = _with_intercept(X[predictors].to_numpy())
    return (indicators[:, :, None] * coefficients[:, None, :]).reshape(len(X), -1)


def _with_intercept(columns: Floats) -> Floats:
    """A column of ones before the others."""
    return np.column_stack([np.ones(len(columns)), columns])
