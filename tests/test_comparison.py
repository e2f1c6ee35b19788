"""`compare`: the frame, its numbers, folds, and rows of known and unseen groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skhlm import HLMRegressor, PooledRegressor, UnpooledRegressor, compare

SCORES = ["r2", "rmse", "coverage", "width", "crps"]


@pytest.fixture(scope="module")
def shops():
    """Ten shops of twelve rows, with intercepts that differ."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.repeat(list("abcdefghij"), 12), "price": rng.normal(size=120)})
    return X, 2 * rng.normal(size=10).repeat(12) + X["price"] + rng.normal(size=120)


@pytest.fixture(scope="module")
def quick():
    return HLMRegressor("shop", family="normal", random_state=0)


@pytest.fixture(scope="module")
def compared(shops, quick):
    return compare(*shops, "shop", cv=2, model=quick, random_state=0, return_estimator=True)


def test_the_frame_is_tidy(compared):
    scores, fitted = compared
    assert list(scores) == ["model", "fold", "rows", "n", *SCORES]
    assert len(scores) == 2 * 3 * 3
    assert list(fitted) == ["pooled", "unpooled", "hierarchical"]
    assert scores.loc[scores["rows"] == "all", "n"].eq(60).all()
    assert scores.loc[scores["rows"] == "unseen", "r2":].isna().all(axis=None)


def test_numbers_are_those_of_the_models(shops, compared):
    X, y = shops
    scores, fitted = compared
    for fold, (_, test) in enumerate(KFold(2, shuffle=True, random_state=0).split(X)):
        for name, models in fitted.items():
            rows = (scores["model"] == name) & (scores["fold"] == fold) & (scores["rows"] == "all")
            (found,) = scores[rows].to_dict("records")
            X_test, y_test = X.iloc[test], y.iloc[test]
            lower, upper = models[fold].predict_interval(X_test, 0.9).T
            predicted = models[fold].predict(X_test)
            assert found["r2"] == pytest.approx(r2_score(y_test, predicted))
            assert found["rmse"] == pytest.approx(np.sqrt(np.mean((y_test - predicted) ** 2)))
            assert found["coverage"] == pytest.approx(y_test.between(lower, upper).mean())
            assert found["width"] == pytest.approx(np.mean(upper - lower))
            assert found["crps"] == pytest.approx(models[fold].crps(X_test, y_test).mean())


def test_partial_pooling_predicts_better_than_complete_pooling(compared):
    scores, _ = compared
    mean = scores[scores["rows"] == "all"].groupby("model")[["rmse", "crps"]].mean()
    assert (mean.loc["hierarchical"] < mean.loc["pooled"]).all()


def test_groups_held_out_are_unseen(shops):
    X, y = shops
    models = {"again": PooledRegressor("shop")}
    scores = compare(X, y, "shop", cv=5, model=models, split_by="shop", random_state=0)
    n = scores.pivot_table(index=["model", "fold"], columns="rows", values="n")
    assert set(scores["model"]) == {"pooled", "unpooled", "again"}
    assert (n["unseen"] == n["all"]).all()
    pooled, unpooled = (
        scores[scores["model"] == m].drop(columns="model") for m in ("pooled", "unpooled")
    )
    pd.testing.assert_frame_equal(pooled.reset_index(drop=True), unpooled.reset_index(drop=True))


def test_rows_are_split_by_what_training_has_seen(shops):
    X, y = shops
    test = np.flatnonzero((X["shop"] == "a") | (np.arange(120) % 12 == 0))
    train = np.setdiff1d(np.arange(120), test)
    scores = compare(X, y, "shop", cv=[(train, test)], model={})
    unpooled = UnpooledRegressor("shop").fit(X.iloc[train], y.iloc[train])
    for rows, chosen in {"known": X["shop"] != "a", "unseen": X["shop"] == "a"}.items():
        rows = scores[(scores["model"] == "unpooled") & (scores["rows"] == rows)]
        chosen = chosen & X.index.isin(test)
        assert rows["n"].item() == chosen.sum()
        error = y[chosen] - unpooled.predict(X[chosen])
        assert rows["rmse"].item() == pytest.approx(np.sqrt(np.mean(error**2)))


def test_splitters_and_arrays(shops):
    X, y = shops
    array = X.assign(shop=X["shop"].map(ord)).to_numpy(dtype=float)
    scores = compare(array, y.to_numpy(), 0, cv=LeaveOneGroupOut(), model={}, split_by=0)
    assert scores["fold"].nunique() == 10
    assert scores.loc[scores["rows"] == "unseen", "n"].eq(12).all()


def test_what_cannot_be_compared_is_refused(shops):
    X, y = shops
    with pytest.raises(TypeError, match="LinearRegression has no predictive distribution"):
        compare(X[["price"]], y, cv=2, model=LinearRegression())
    with pytest.raises(ValueError, match="names of the baselines"):
        compare(X, y, "shop", model={"pooled": PooledRegressor("shop")})
    with pytest.raises(ValueError, match="coverage"):
        compare(X, y, "shop", model={}, coverage=90)
    with pytest.raises(ValueError, match=r"split_by: there is no column 'shp'.*mean 'shop'"):
        compare(X, y, "shop", model={}, split_by="shp")


def test_baselines_stand_behind_the_steps_of_a_pipeline(shops):
    X, y = shops
    X = X.assign(day=np.where(np.arange(120) % 7 < 5, "week", "weekend"))
    encode = make_column_transformer(
        (OneHotEncoder(drop="first", sparse_output=False), ["day"]), remainder="passthrough"
    ).set_output(transform="pandas")
    last = PooledRegressor("remainder__shop")  # a model that takes no time
    model = make_pipeline(encode, last)
    folds = {"cv": 3, "random_state": 0}
    scores, fitted = compare(X, y, "shop", model=model, return_estimator=True, **folds)
    assert fitted["unpooled"][0][-1].groups == "remainder__shop"
    frame = scores.set_index(["model", "fold", "rows"]).sort_index()
    pd.testing.assert_frame_equal(frame.loc["pooled"], frame.loc["hierarchical"])
    assert (frame.loc["unpooled", "rmse"] != frame.loc["pooled", "rmse"]).any()
    encoded = X.assign(day=(X["day"] == "weekend") * 1.0)[["day", "shop", "price"]]
    by_hand = compare(encoded, y, model={"again": PooledRegressor("shop")}, **folds)
    by_hand = by_hand.set_index(["model", "fold", "rows"]).sort_index()
    for name in ("pooled", "unpooled"):
        pd.testing.assert_frame_equal(frame.loc[name], by_hand.loc[name])
    search = GridSearchCV(model, {"pooledregressor__fit_intercept": [True, False]}, cv=2)
    assert list(compare(X, y, model={"searched": search}, **folds)["model"].unique()) == [
        "pooled",
        "unpooled",
        "searched",
    ]


def test_an_unpooled_model_that_is_pooled_is_said():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.arange(40) % 38, "price": rng.normal(size=40)})
    y = X["price"] + rng.normal(size=40)
    models = {"again": PooledRegressor("shop")}
    with pytest.warns(UserWarning, match="unpooled model is the pooled one for up to 100%"):
        compare(X, y, "shop", cv=KFold(2), model=models)


def test_a_predictor_of_the_groups_gives_the_baselines_lines_of_their_own(shops):
    X, y = shops
    X = X.assign(size=X["shop"].map(ord).astype(float))
    models = {"again": PooledRegressor("shop")}
    scores = compare(X, y, "shop", cv=2, model=models, random_state=0)
    rmse = scores[scores["rows"] == "all"].groupby("model")["rmse"].mean()
    assert rmse["unpooled"] < 0.9 * rmse["pooled"]


def test_an_outcome_in_a_column_is_that_outcome(shops):
    X, y = shops
    arguments = {"groups": "shop", "model": {}, "cv": 3, "random_state": 0}
    expected = compare(X, y, **arguments)
    for column in (y.to_frame(), y.to_numpy()[:, None]):
        with pytest.warns(DataConversionWarning, match="column-vector y"):
            found = compare(X, column, **arguments)
        pd.testing.assert_frame_equal(found, expected)
    with pytest.raises(
        ValueError, match=r"y should be a 1d array, got an array of shape \(120, 2\)"
    ):
        compare(X, np.column_stack([y, y]), **arguments)
    with pytest.raises(ValueError, match="X has 120 rows and y 7"):
        compare(X, y[:7], **arguments)
