"""Every estimator through skops, which loads files without running what is in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import GroupMeans, HLMClassifier, HLMRegressor, PooledRegressor, UnpooledRegressor
from skhlm.priors import Normal
from skhlm.wrappers import find_model


@pytest.fixture(scope="module")
def sales():
    """Rows of six shops on two days."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "price": rng.normal(size=120),
            "open": [True, False] * 60,
            "shop": list("abcdef") * 20,
            "day": pd.to_datetime(["2024-01-01", "2024-01-02"]).repeat(60),
        }
    )
    return X, pd.Series(X["price"] + rng.normal(size=120), name="sales")


def quick(groups, **parameters):
    settings = {"family": "normal", "algorithm": "map", "iter_sampling": 25, "random_state": 0}
    return HLMRegressor(groups, **{**settings, **parameters})


MODELS = {
    "pooled": PooledRegressor(["shop", "day"]),
    "unpooled": UnpooledRegressor("shop/day"),
    "hierarchical": quick(["shop", "day"], priors={"kappa": {"price": Normal(0, 2)}}),
    "correlated": quick("shop/day", covariance="full", varying=("Intercept", "price")),
    "sampled": HLMRegressor("shop/day", chains=1, iter_sampling=20, random_state=0),
    "counts": quick(["shop", "day"], family="poisson", exposure="price"),
    "classes": HLMClassifier(["shop", "day"], algorithm="map", iter_sampling=50, random_state=0),
    "pipeline": make_pipeline(FunctionTransformer(), quick("day/shop", varying={"day": "all"})),
    "group means": make_pipeline(
        GroupMeans("day/shop", {"day/shop": "price", "day": []}),
        quick("day/shop", varying="intercept"),
    ),
}


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.filterwarnings("ignore::UserWarning")  # of so few levels and draws
def test_a_model_is_dumped_and_loaded_with_no_types_but_ours(sales, name):
    X, y = sales
    if name == "counts":
        X, y = X.assign(price=np.exp(X["price"])), np.floor(np.exp(y))
    model = MODELS[name].fit(X, np.where(y > 0, "yes", "no") if name == "classes" else y)
    data = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert {kind.partition(".")[0] for kind in untrusted} <= {"skhlm", "datetime"}
    again = skops.io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    ends = [
        route.model.predict_interval(route.features(X)) for route in map(find_model, (model, again))
    ]
    np.testing.assert_array_equal(*ends)
