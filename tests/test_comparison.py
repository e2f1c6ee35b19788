"""`compare`: the frame, its numbers, folds, and rows of known and unseen groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_gamma_deviance,
    mean_poisson_deviance,
    r2_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneGroupOut,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skhlm import (
    HLMClassifier,
    HLMRegressor,
    PooledClassifier,
    PooledRegressor,
    UnpooledRegressor,
    compare,
)

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


@pytest.fixture(scope="module")
def firms():
    """Twenty firms whose effects go with their mean spend."""
    rng = np.random.default_rng(0)
    firm, size = np.repeat(np.arange(20), 6), 2 * rng.normal(size=20)
    X = pd.DataFrame({"spend": size[firm] + rng.normal(size=120), "firm": firm.astype(str)})
    return X, X["spend"] + 2 * size[firm] + rng.normal(size=120)


def test_group_means_are_one_model_more_and_win_on_new_groups(firms, quick):
    X, y = firms
    model = clone(quick).set_params(groups="firm")
    asked = {"model": model, "split_by": "firm", "group_means": "spend"}
    scores, fitted = compare(X, y, cv=3, random_state=0, return_estimator=True, **asked)
    assert list(fitted) == ["pooled", "unpooled", "hierarchical", "with group means"]
    step, inside = (step for _, step in fitted["with group means"][0].steps)
    assert step.groups == inside.groups == "firm"
    assert inside._spec.labels.varying_names(0) == ["Intercept", "spend"]
    rmse = scores[scores["rows"] == "unseen"].groupby("model")["rmse"].mean()
    assert rmse["with group means"] < 0.5 * rmse["hierarchical"]
    assert model.varying == "all"  # which stays as it was


def test_group_means_stand_behind_the_steps_of_a_pipeline(firms):
    X, y = firms
    step = make_column_transformer(
        ("passthrough", ["firm", "spend"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")
    model = make_pipeline(step, HLMRegressor("firm", varying="intercept", random_state=0))
    found = compare(X, y, cv=2, model=model, group_means=["spend"], return_estimator=True)[1]
    inside = found["with group means"][0][-1][-1]
    assert inside._spec.labels.coefficients == ("Intercept", "spend", "spend (mean of firm)")


def test_group_means_of_what_is_not_there_are_refused(firms, quick):
    X, y = firms
    with pytest.raises(ValueError, match="group_means: the model has no groups"):
        compare(X[["spend"]], y, model=HLMRegressor(), group_means="spend")
    with pytest.raises(ValueError, match=r"columns: .*'spent'"):
        compare(X, y, "firm", cv=2, group_means="spent")
    names = {"with group means": quick}
    with pytest.raises(ValueError, match="'with group means' is what group_means adds"):
        compare(X, y, "firm", model=names, group_means="spend")


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


# --- classes, counts, shares ----------------------------------------------------------------------

FAST = {"varying": "intercept", "algorithm": "laplace", "chains": 2, "iter_sampling": 100}


@pytest.fixture(scope="module")
def buyers(shops):
    """Rows in the same shops, of which customers of some buy more often."""
    X, _ = shops
    rng = np.random.default_rng(1)
    log_odds = -1.2 + 2 * rng.normal(size=10).repeat(12) + X["price"]
    return X, np.where(rng.logistic(size=120) < log_odds, "buys", "leaves")


@pytest.fixture(scope="module")
def visits(shops):
    """Counts per day in the same shops."""
    X = shops[0].assign(days=np.arange(120) % 5 + 1.0)
    rng = np.random.default_rng(1)
    rate = np.exp(1 + 0.7 * rng.normal(size=10).repeat(12) + 0.3 * X["price"])
    return X, pd.Series(rng.poisson(rate * X["days"]), name="visits")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classifiers_are_compared_with_classifiers(buyers):
    X, y = buyers
    model = HLMClassifier("shop", **FAST, random_state=0)
    scores, fitted = compare(X, y, cv=3, model=model, random_state=0, return_estimator=True)
    assert list(scores) == ["model", "fold", "rows", "n", "log_loss", "brier", "accuracy"]
    assert len(scores) == 3 * 3 * 3
    frame = scores.set_index(["model", "fold", "rows"])
    assert frame.loc[("pooled", 0, "unseen")].drop("n").isna().all()
    split = StratifiedKFold(3, shuffle=True, random_state=0).split(X, y)
    for fold, (_, test) in enumerate(split):
        for name, fits in fitted.items():
            p = fits[fold].predict_proba(X.iloc[test])
            found = frame.loc[(name, fold, "all")]
            assert found["log_loss"] == pytest.approx(log_loss(y[test], p))
            second = brier_score_loss(y[test] == "leaves", p[:, 1])
            assert found["brier"] == pytest.approx(second)
            predicted = fits[fold].predict(X.iloc[test])
            assert found["accuracy"] == pytest.approx(accuracy_score(y[test], predicted))
    mean = scores[scores["rows"] == "all"].groupby("model")["log_loss"].mean()
    assert mean.idxmin() == "hierarchical"


def test_shops_held_out_of_a_classifier(buyers):
    X, y = buyers
    models = {"again": PooledClassifier("shop")}
    scores = compare(X, y == "buys", cv=3, model=models, split_by="shop", random_state=0)
    n = scores.pivot_table(index=["model", "fold"], columns="rows", values="n")
    assert (n["unseen"] == n["all"]).all() and n["all"].groupby("model").sum().eq(120).all()
    pooled, again = (
        scores[scores["model"] == m].drop(columns="model") for m in ("pooled", "again")
    )
    pd.testing.assert_frame_equal(pooled.reset_index(drop=True), again.reset_index(drop=True))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_counts_are_compared_with_counts(visits):
    X, y = visits
    given = {"exposure": "days", **FAST, "random_state": 0}
    models = {
        family: HLMRegressor("shop", family=family, **given)
        for family in ("poisson", "negative_binomial")
    }
    folds = KFold(2, shuffle=True, random_state=0)
    scores, fitted = compare(X, y, cv=folds, model=models, return_estimator=True)
    names = ["r2", "rmse", "deviance", "coverage", "width", "crps"]
    assert list(scores) == ["model", "fold", "rows", "n", *names]
    assert fitted["unpooled"][0].get_params() == {
        "groups": "shop",
        "family": "poisson",
        "exposure": "days",
        "fit_intercept": True,
    }
    frame = scores.set_index(["model", "fold", "rows"])
    for fold, (_, test) in enumerate(folds.split(X)):
        for name, fits in fitted.items():
            found, X_test, y_test = frame.loc[(name, fold, "all")], X.iloc[test], y.iloc[test]
            mean = fits[fold].predict(X_test)
            assert found["deviance"] == pytest.approx(mean_poisson_deviance(y_test, mean))
            assert found["crps"] == pytest.approx(fits[fold].crps(X_test, y_test).mean())
            lower, upper = fits[fold].predict_interval(X_test).T
            assert found["coverage"] == pytest.approx(y_test.between(lower, upper).mean())
            assert (lower % 1 == 0).all() and (upper % 1 == 0).all()
    mean = scores[scores["rows"] == "all"].groupby("model")[["deviance", "crps"]].mean()
    assert (mean.loc["poisson"] < mean.loc["pooled"]).all()


def test_a_normal_model_of_counts_has_a_deviance_where_its_means_are_positive(visits):
    X, y = visits
    models = {"counts": PooledRegressor("shop", family="poisson"), "line": PooledRegressor("shop")}
    flat = X.assign(price=0.0)
    hinge = (10 * np.maximum(X["price"], 0)).round()
    for table, outcome, possible in ((flat, y, True), (X, hinge, False)):
        scores = compare(table, outcome, cv=KFold(2, shuffle=True, random_state=0), model=models)
        line = scores[(scores["model"] == "line") & (scores["rows"] == "all")]
        assert line["deviance"].notna().all() == possible


def test_a_weight_is_a_row_given_so_often(shops, visits, buyers):
    models = [
        (PooledRegressor("shop"), shops),
        (PooledRegressor("shop", family="poisson", exposure="days"), visits),
        (PooledClassifier("shop"), buyers),
    ]
    for model, (X, y) in models:
        weight = np.arange(len(y)) % 3 + (np.arange(len(y)) == 0)
        every = np.repeat(np.arange(len(y)), weight)
        folds = list(KFold(2, shuffle=True, random_state=0).split(X))
        of_all = [tuple(np.flatnonzero(np.isin(every, some)) for some in fold) for fold in folds]
        weighted = compare(X, y, model=model, cv=folds, sample_weight=weight)
        repeated = compare(X.iloc[every], np.asarray(y)[every], model=model, cv=of_all)
        scores = list(weighted.columns[4:])
        hierarchical = weighted["model"] == "hierarchical"
        np.testing.assert_allclose(
            weighted[scores][hierarchical], repeated[scores][hierarchical], rtol=1e-5
        )


def test_a_share_of_trials_is_rows_of_zero_and_one(visits):
    """In what is fitted and in what is scored; R² alone is of the shares."""
    X, _ = visits
    rng = np.random.default_rng(0)
    trials = rng.integers(3, 9, len(X))
    successes = rng.binomial(trials, 0.4)
    model = PooledRegressor("shop", family="binomial")
    folds = list(KFold(2, shuffle=True, random_state=0).split(X))
    shares = compare(X, successes / trials, model=model, cv=folds, sample_weight=trials)
    every = np.repeat(np.arange(len(X)), trials)
    ones = np.concatenate([np.arange(m) < k for m, k in zip(trials, successes, strict=True)])
    of_all = [tuple(np.flatnonzero(np.isin(every, some)) for some in fold) for fold in folds]
    single = compare(X.iloc[every], ones.astype(float), model=model, cv=of_all)
    for score in ("log_loss", "brier"):
        np.testing.assert_allclose(shares[score], single[score], rtol=1e-5)
    unweighted = compare(X, successes / trials, model=model, cv=folds)
    assert (shares["log_loss"] - unweighted["log_loss"]).abs().max() > 1e-4


def test_positive_outcomes_and_shares(visits):
    X, y = visits
    model = PooledRegressor("shop", family="gamma", exposure="days")
    folds = {"cv": KFold(2, shuffle=True, random_state=0), "return_estimator": True}
    scores, fitted = compare(X, y + 0.5, model=model, **folds)
    test = next(folds["cv"].split(X))[1]
    expected = mean_gamma_deviance(y.iloc[test] + 0.5, fitted["unpooled"][0].predict(X.iloc[test]))
    first = scores.set_index(["model", "fold", "rows"]).loc[("unpooled", 0, "all")]
    assert first["deviance"] == pytest.approx(expected)
    share = np.minimum(y / 40, 1)
    scores, fitted = compare(X, share, model=PooledRegressor("shop", family="binomial"), **folds)
    assert list(scores.columns[4:]) == ["r2", "log_loss", "brier"]
    p, share = fitted["pooled"][0].predict(X.iloc[test]), share.iloc[test]
    first = scores.set_index(["model", "fold", "rows"]).loc[("pooled", 0, "all")]
    assert first["log_loss"] == pytest.approx(
        -np.mean(share * np.log(p) + (1 - share) * np.log(1 - p))
    )
    assert first["brier"] == pytest.approx(np.mean(share * (1 - p) ** 2 + (1 - share) * p**2))


def test_classifiers_and_regressors_are_compared_apart(buyers):
    X, y = buyers
    models = {"a": PooledClassifier("shop"), "b": PooledRegressor("shop")}
    with pytest.raises(ValueError, match="'b' is no classifier, as the first model is"):
        compare(X, y, model=models)
    with pytest.raises(ValueError, match="'a' is a classifier, as the first model is not"):
        compare(X, y, model=dict(reversed(models.items())))


def test_a_search_of_classifiers_has_baselines_behind_its_steps(buyers):
    X, y = buyers
    pipe = make_pipeline("passthrough", PooledClassifier("shop"))
    search = GridSearchCV(pipe, {"pooledclassifier__fit_intercept": [True, False]}, cv=2)
    scores, fitted = compare(X, y, cv=2, model=search, random_state=0, return_estimator=True)
    assert type(fitted["unpooled"][0][-1]).__name__ == "UnpooledClassifier"
    assert scores["log_loss"].notna().sum() == 2 * 2 * 3


def test_unpooled_classifiers_that_are_pooled_are_said(buyers):
    X, y = buyers
    y = np.where(X["shop"] < "h", "leaves", y)
    with pytest.warns(UserWarning, match=r"up to \d+% of the rows.*one class"):
        compare(X, y, cv=2, model=PooledClassifier("shop"), random_state=0)
