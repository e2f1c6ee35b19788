"""Models that several files look at the reports of."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from skhlm import HLMRegressor
from skhlm.datasets import load_gapminder


@pytest.fixture(scope="session")
def countries():
    """Some countries of three continents."""
    X, y = load_gapminder(return_X_y=True)
    chosen = X["country"].isin(X["country"].unique()[:16])
    X = X[["country", "continent"]].assign(decades=(X["year"] - 1980) / 10, noise=X["year"] % 7)
    return X[chosen], y[chosen]


@pytest.fixture(scope="session")
def model(countries):
    """A model of them, with two chains; do not change it."""
    model = HLMRegressor("continent/country", family="normal", chains=2, random_state=0)
    return model.fit(*countries)


@pytest.fixture(scope="session")
def mode():
    """A model by its mode, however far that is from the posterior."""

    def fit(X, y, groups=None, sample_weight=None, **parameters):
        settings = {"algorithm": "map", "iter_sampling": 100, "random_state": 0, **parameters}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return HLMRegressor(groups, **settings).fit(X, y, sample_weight)

    return fit


@pytest.fixture(scope="session")
def levels_in_the_dozens(mode):
    """300 levels with a slope each: tables that are too long to be HTML."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(300), 4)
    X = pd.DataFrame({"shop": [f"shop {i:03d}" for i in level], "x": rng.normal(size=1200)})
    y = rng.normal(size=300)[level] + X["x"] + rng.normal(size=1200)
    return mode(X, y, "shop", family="normal")
