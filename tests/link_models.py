"""Small fitted models with a link: yes or no, shares, counts with an exposure."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from skhlm import HLMClassifier, HLMRegressor

# These are for looks at reports: a chain that is short of effective draws does no harm.
SETTINGS = {"chains": 2, "iter_sampling": 300, "random_state": 0, "n_jobs": 1}


@cache
def shops() -> pd.DataFrame:
    """Rows of 12 shops in 3 towns: price, hours open, visits a day that are made of them."""
    rng = np.random.default_rng(3)
    shop = np.repeat(np.arange(12), 30)
    X = pd.DataFrame(
        {
            "town": np.array(["A", "B", "C"])[shop % 3],
            "shop": shop,
            "price": rng.normal(2.0, 1.0, len(shop)),
            "hours": rng.uniform(1.0, 5.0, len(shop)),
        }
    )
    effect = rng.normal(0, 0.6, 12)[shop]
    log_rate = 0.2 + effect - 0.4 * (X["price"] - 2.0)
    X["visits"] = rng.poisson(X["hours"] * np.exp(log_rate)).astype(float)
    p = 1 / (1 + np.exp(-(effect - 0.8 * (X["price"] - 2.0))))
    X["bought"] = np.where(rng.random(len(X)) < p, "yes", "no")
    X.loc[shop == 11, "bought"] = "no"  # a level that says nothing alone
    return X


@cache
def classifier() -> HLMClassifier:
    """Whether something was bought."""
    X = shops()
    model = HLMClassifier("town/shop", **SETTINGS)
    return _fit(model, X[["town", "shop", "price"]], X["bought"])


@cache
def counts(family: str = "poisson") -> HLMRegressor:
    """How many came, per hour."""
    X = shops()
    model = HLMRegressor("town/shop", family=family, exposure="hours", **SETTINGS)
    return _fit(model, X[["town", "shop", "price", "hours"]], X["visits"])


@cache
def shares() -> HLMRegressor:
    """Which share of 10 bought."""
    X = shops()
    rng = np.random.default_rng(0)
    share = rng.binomial(10, 1 / (1 + np.exp(X["price"] - 2.0))) / 10
    model = HLMRegressor("shop", family="binomial", varying="intercept", **SETTINGS)
    return _fit(model, X[["shop", "price"]], share, np.full(len(X), 10.0))


@cache
def amounts() -> HLMRegressor:
    """How much was spent."""
    X = shops()
    rng = np.random.default_rng(1)
    spent = np.exp(1.0 - 0.3 * X["price"]) * rng.gamma(4.0, 0.25, len(X))
    model = HLMRegressor("shop", family="gamma", varying="intercept", **SETTINGS)
    return _fit(model, X[["shop", "price"]], spent.rename("spent"))


def _fit(model: Any, *data: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data)
