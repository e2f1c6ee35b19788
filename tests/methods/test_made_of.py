"""What predictors are found to be made of, behind steps of all kinds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)

from skhlm import HLMRegressor
from skhlm.methods.fitted import find_hierarchical
from skhlm.methods.made_of import find_inputs

# Whatever the Pareto k of the draws about a mode, and indicators that add up to one.
pytestmark = [
    pytest.mark.filterwarnings("ignore:algorithm='laplace' did not"),
    pytest.mark.filterwarnings("ignore::skhlm.exceptions.IdentificationWarning"),
]


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.tile(list("abcd"), 30), "spend": rng.gamma(3, 1, 120)})
    return X.assign(price=rng.normal(0, 1, 120), day=np.repeat(["Mo", "Sa", "Su"], 40), year=2020)


def keep(*transformers):
    """Some columns through transformers, shops as they are."""
    return make_column_transformer(
        *transformers, ("passthrough", ["shop"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")


def in_parts(step, X, rows=None):
    """Names of the predictors behind a step by the part that they are of."""
    y = np.random.default_rng(1).normal(0, 1, len(X))
    model = HLMRegressor("shop", varying="intercept", algorithm="laplace", iter_sampling=50)
    pipeline = make_pipeline(step, model.set_params(random_state=0)).fit(X, y)
    inputs = find_inputs(find_hierarchical(pipeline), X if rows is None else rows, None)
    names, owners = inputs.parts()
    own = model.feature_names_in_[[name != "shop" for name in model.feature_names_in_]]
    found = {name: own[owners == j].tolist() for j, name in enumerate(names)}
    assert sum(map(len, found.values())) == len(own)
    return found


STEPS = {
    "scaled": (lambda: keep((StandardScaler(), ["spend", "price"])), {"spend": 1, "price": 1}),
    "bins": (
        lambda: keep((KBinsDiscretizer(4, encode="onehot-dense"), ["spend", "price"])),
        {"spend": 4, "price": 4},
    ),
    "splines": (lambda: keep((SplineTransformer(4), ["spend"])), {"spend": 6}),
    "indicators": (lambda: keep((OneHotEncoder(sparse_output=False), ["day"])), {"day": 3}),
    "powers": (
        lambda: keep((PolynomialFeatures(2, include_bias=False), ["spend", "price"])),
        {"spend": 2, "spend × price": 1, "price": 2},
    ),
    "rotated": (lambda: keep((PCA(2), ["spend", "price"])), {"spend × price": 2}),
}


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("n", [120, 1])
def test_predictors_belong_to_the_columns_that_they_are_made_of(raw, case, n):
    """Whether many rows are given or one."""
    step, expected = STEPS[case]
    found = in_parts(step(), raw, raw[:n])
    assert {name: len(own) for name, own in found.items()} == expected


def test_logarithms_of_numbers_below_zero_do_not_matter(raw):
    def logarithm(X):
        assert (X["spend"] > 0).all(), "no logarithm"
        return X[["shop"]].assign(log=np.log(X["spend"]))

    def strict(X):
        if not (X["spend"] > 0).all():
            raise ValueError("no logarithm")
        return logarithm(X)

    for rows in (raw, raw[:1]):
        assert in_parts(FunctionTransformer(strict), raw, rows) == {"spend": ["log"]}


def test_what_moves_with_nothing_is_called_as_it_is(raw):
    """What a step makes of shops, and a text of which one row has one value."""

    def make(X):
        first = (X["shop"] == "a") * 1.0
        return X[["shop", "price"]].assign(first=first, weekend=(X["day"] != "Mo") * 1.0)

    step = FunctionTransformer(make)
    own = {"price": ["price"], "first": ["first"]}
    assert in_parts(step, raw) == {**own, "day": ["weekend"]}
    assert in_parts(step, raw, raw[:1]) == {**own, "weekend": ["weekend"]}


def test_tables_of_other_packages(raw):
    step = FunctionTransformer(
        lambda X: X.select("shop", "price", (pl.col("spend").log()).alias("log"))
    )
    found = in_parts(step, pl.from_pandas(raw))
    assert found == {"spend": ["log"], "price": ["price"]}
