"""Every estimator through skops, which loads files without running what is in them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import HLMRegressor, PooledRegressor, UnpooledRegressor
from skhlm.priors import Normal


@pytest.fixture(scope="module")
def shops():
    """Rows of six shops on two days, in every type of label."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "price": rng.normal(size=120),
            "shop": list("abcdef") * 20,
            "open": [True, False] * 60,
            "size": np.repeat([0.5, 1.5, 2.0], 40),
            "day": pd.to_datetime(["2024-01-01", "2024-01-02"]).repeat(60),
        }
    )
    return X, pd.Series(X["price"] + rng.normal(size=120), name="sales")


def _quick(groups, **settings):
    return HLMRegressor(
        groups, family="normal", algorithm="map", iter_sampling=25, random_state=0, **settings
    )


MODELS = {
    "pooled": PooledRegressor(["shop", "day"]),
    "unpooled": UnpooledRegressor(["shop/day", "open"]),
    "hierarchical": _quick(["shop", "day"], priors={"kappa": {"price": Normal(0, 2)}}),
    "full": _quick(["shop/open"], covariance="full", varying=("Intercept", "price")),
    "piped": make_pipeline(FunctionTransformer(), _quick(["shop"], varying={"shop": "intercept"})),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_dumps_and_loads_with_no_types_but_ours(shops, name):
    X, y = shops
    X = X.drop(columns=["open", "day"] if name == "piped" else [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what so few rows say
        model = MODELS[name].fit(X.assign(open=X.get("open", 0)) if name != "piped" else X, y)
    data = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert {kind.partition(".")[0] for kind in untrusted} <= {"skhlm", "datetime"}
    again = skops.io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
