"""Categories and ranges that transformers learned, wherever they are among the steps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

from skhlm.inputs.learned import learned_categories, learned_range

X = pd.DataFrame({"x": [0.5, 1.5, np.nan, 2.0], "day": ["Mo", "Tu", "Su", "Mo"], "m": [3, 1, 2, 1]})


def dense(**settings):
    return OneHotEncoder(sparse_output=False, **settings)


@pytest.mark.parametrize(
    ("step", "position", "expected"),
    [
        (make_column_transformer((dense(), ["day"])), 1, ["Mo", "Su", "Tu"]),
        (make_column_transformer((OrdinalEncoder(), [1, 2])), 2, [1, 2, 3]),
        (make_column_transformer((dense(), slice(1, 3))), 2, [1, 2, 3]),
        (make_column_transformer((dense(), [False, False, True])), 2, [1, 2, 3]),
        (make_column_transformer((dense(), lambda _: ["m"])), 2, [1, 2, 3]),
        (make_column_transformer(("drop", ["x"]), (dense(), ["m"])), 2, [1, 2, 3]),
        (
            make_column_transformer((make_pipeline(SimpleImputer(), dense()), ["m"])),
            2,
            [1, 2, 3],
        ),
        (make_pipeline(FunctionTransformer(), "passthrough", dense()), 1, ["Mo", "Su", "Tu"]),
        (make_union(FunctionTransformer(), dense()), 1, ["Mo", "Su", "Tu"]),
        (dense(), 0, [0.5, 1.5, 2.0]),  # missing is a category to it, and no point of a curve
        (make_column_transformer((dense(), ["day"]), remainder="passthrough"), 0, None),
        (make_column_transformer((make_pipeline(StandardScaler(), dense()), ["m"])), 2, None),
        (FunctionTransformer(), 1, None),
    ],
)
def test_where_encoders_are_found(step, position, expected):
    fitted = make_pipeline(step).fit(X)
    assert learned_categories([fitted], X, position) == expected


def test_encoders_behind_steps_that_leave_a_column_alone():
    first = make_column_transformer(
        (SimpleImputer(), ["x"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    steps = make_pipeline(first, make_column_transformer((dense(), ["day"]))).fit(X)
    assert learned_categories([steps], X, 1) == ["Mo", "Su", "Tu"]
    sparse = make_pipeline(OneHotEncoder(), FunctionTransformer()).fit(X[["day"]])
    assert learned_categories([sparse[-1], sparse[0]], X[["day"]], 0) == ["Mo", "Su", "Tu"]


@pytest.mark.parametrize(
    "step",
    [
        KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"),
        KBinsDiscretizer(3, strategy="uniform"),
        SplineTransformer(n_knots=4),
        SplineTransformer(n_knots=3, degree=2, knots="quantile"),
        QuantileTransformer(n_quantiles=10),
    ],
)
def test_ranges_of_what_saturates(step):
    table = pd.DataFrame(
        {"g": ["a"] * 40, "z": np.linspace(5.0, 6.0, 40), "x": np.logspace(0, 3, 40)}
    )
    steps = make_column_transformer((step, ["z", "x"]), remainder="passthrough").fit(table)
    np.testing.assert_allclose(learned_range([steps], table.head(1), 2), (1, 1000))
    assert (
        learned_range([make_pipeline(StandardScaler(), step).fit(table[["x"]])], table[["x"]], 0)
        is None
    )
