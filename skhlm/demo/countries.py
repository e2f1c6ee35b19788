"""Life expectancy in 142 countries: few rows each, so what a country lacks its continent lends.

The only predictor is time, in decades from 1980, so that an intercept is the life expectancy in
1980 and a slope the years of life gained per decade.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from skhlm import HLMRegressor, compare
from skhlm._typing import Floats, Ints
from skhlm.datasets import load_gapminder
from skhlm.demo.results import COVERAGE, Results

GROUPS = "continent/country"


def load_countries() -> tuple[pd.DataFrame, pd.Series[float]]:
    """X: continent, country, decades from 1980. y: life expectancy at birth, in years."""
    X, y = load_gapminder(return_X_y=True)
    return X[["continent", "country"]].assign(decades=(X["year"] - 1980) / 10), y


def hierarchical() -> HLMRegressor:
    """A line for each country, pulled to its continent's, and that one to the world's.

    The residuals are normal: with three rows a country, Student-t ones may take any of the three
    for an outlier. That posterior has many modes, between which chains do not move.
    """
    return HLMRegressor(GROUPS, family="normal", random_state=0)


def three_years_each(X: pd.DataFrame) -> Iterator[tuple[Ints, Ints]]:
    """Folds that train on 3 random years of each country and predict the other 9."""
    folds = StratifiedKFold(n_splits=4, shuffle=True, random_state=0)
    for most, few in folds.split(X, X["country"]):
        yield few, most


def compare_countries(X: pd.DataFrame, y: pd.Series[float]) -> Results:
    """Pooled, unpooled and hierarchical lines."""
    folds = three_years_each(X)
    found = compare(
        X, y, GROUPS, folds, model=hierarchical(), coverage=COVERAGE, return_estimator=True
    )
    return Results(*found)


def pulls(results: Results, X: pd.DataFrame, y: pd.Series[float]) -> pd.DataFrame:
    """How far each country's slope is pulled towards its continent's, in the first fold.

    Returns
    -------
    pandas.DataFrame
        One row for each country, those that move most first: ``continent``, ``country``, the
        ``years`` of training, slopes in years of life per decade (``own``: no pooling;
        ``partial``: partial pooling; ``continent's``; ``own, 12 years``: no pooling again, from
        all the rows) and ``pull``, the share of the way from ``own`` to ``continent's``.
    """
    train, _ = next(three_years_each(X))
    apart, together = (results.fitted[name][0] for name in ("unpooled", "hierarchical"))
    countries = X[["continent", "country"]].drop_duplicates().set_index("country", drop=False)
    years = (1980 + 10 * X["decades"]).round().astype(int).astype(str)
    table = countries.assign(
        years=years.iloc[train].groupby(X["country"]).agg(" ".join),
        own=slopes(apart, countries),
        partial=slopes(together, countries),
    )
    # A country that the model has not seen is predicted by its continent's line.
    table["continent's"] = slopes(together, countries.assign(country="not in the data"))
    table["own, 12 years"] = slopes(clone(apart).fit(X, y), countries)
    moved = table["own"] - table["partial"]
    table["pull"] = moved / (table["own"] - table["continent's"])
    return table.loc[moved.abs().sort_values(ascending=False).index].reset_index(drop=True)


def slopes(model: Any, groups: pd.DataFrame) -> Floats:
    """Years of life gained per decade, for each row of group columns."""
    at_1980, ten_years_on = (model.predict(groups.assign(decades=t)) for t in (0.0, 1.0))
    return np.asarray(ten_years_on - at_1980)


def one_of_each_continent(X: pd.DataFrame) -> list[str]:
    """Countries to hold out, drawn at random."""
    countries = X[["continent", "country"]].drop_duplicates()
    return countries.groupby("continent")["country"].sample(1, random_state=0).tolist()


def predict_unseen(
    X: pd.DataFrame, y: pd.Series[float], held_out: list[str]
) -> tuple[pd.DataFrame, HLMRegressor]:
    """Fit without some countries at all, and predict every row of theirs.

    Returns
    -------
    pandas.DataFrame
        Their rows of X with ``observed``, ``predicted``, and ``lower`` and ``upper`` ends of the
        90% intervals.
    HLMRegressor
        The model.
    """
    unseen = X["country"].isin(held_out)
    model = hierarchical().fit(X[~unseen], y[~unseen])
    rows = X[unseen]
    lower, upper = model.predict_interval(rows, COVERAGE).T
    rows = rows.assign(observed=y, predicted=model.predict(rows), lower=lower, upper=upper)
    return rows, model
