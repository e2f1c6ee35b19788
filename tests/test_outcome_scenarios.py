"""Classes and counts among scikit-learn's tools, beside their baselines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import d2_tweedie_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhlm import (
    HLMClassifier,
    HLMRegressor,
    PooledClassifier,
    PooledRegressor,
    UnpooledClassifier,
    UnpooledRegressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 240
FAST = {"varying": "intercept", "algorithm": "laplace", "chains": 2, "iter_sampling": 100}
CV = KFold(2, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def shops():
    """Rows in eight shops, with what the shops add to eta."""
    rng = np.random.default_rng(0)
    shop = np.arange(N) % 8
    X = pd.DataFrame({"shop": shop, "price": rng.normal(5, 2, N), "days": 1.0 + np.arange(N) % 9})
    return X, rng.normal(size=8)[shop] + 0.5 * (X["price"] - 5)


@pytest.fixture(scope="module")
def buyers(shops):
    X, eta = shops
    rng = np.random.default_rng(1)
    return X.drop(columns="days"), np.where(rng.logistic(size=N) < eta, "buys", "leaves")


@pytest.fixture(scope="module")
def visits(shops):
    X, eta = shops
    return X, np.random.default_rng(1).poisson(np.exp(0.5 * eta) * X["days"])


def members():
    return [
        ("hlm", HLMClassifier("shop", **FAST, random_state=0)),
        ("pooled", PooledClassifier("shop")),
        ("unpooled", UnpooledClassifier("shop")),
    ]


def test_votes_and_stacks_of_classifiers(buyers):
    X, y = buyers
    voting = VotingClassifier(members(), voting="soft").fit(X, y)
    each = [clone(model).fit(X, y).predict_proba(X) for _, model in members()]
    np.testing.assert_allclose(voting.predict_proba(X), np.mean(each, axis=0), rtol=1e-12)
    stack = StackingClassifier(members(), LogisticRegression(), cv=CV).fit(X, y)
    columns = [
        cross_val_predict(clone(model), X, y, cv=CV, method="predict_proba")[:, 1]
        for _, model in members()
    ]
    final = LogisticRegression().fit(np.column_stack(columns), y)
    np.testing.assert_allclose(stack.final_estimator_.coef_, final.coef_, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, _ in members()])
def test_calibration_thresholds_and_more_classes(buyers, name):
    X, y = buyers
    model = dict(members())[name]
    calibrated = CalibratedClassifierCV(clone(model), cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    tuned = TunedThresholdClassifierCV(clone(model), cv=CV, scoring="balanced_accuracy").fit(X, y)
    p = tuned.estimator_.predict_proba(X)[:, 1]
    expected = tuned.classes_[(p >= tuned.best_threshold_).astype(int)]
    np.testing.assert_array_equal(tuned.predict(X), expected)
    thirds = np.array(["low", "middle", "high"])[np.digitize(X["price"], [4, 6])]
    flower = X.assign(price=X["price"] + np.random.default_rng(3).normal(size=N))
    several = OneVsRestClassifier(clone(model)).fit(flower, thirds)
    assert several.classes_.tolist() == ["high", "low", "middle"]
    np.testing.assert_allclose(several.predict_proba(flower).sum(axis=1), 1, rtol=1e-12)
    alone = clone(model).fit(flower, (thirds == "low").astype(int))
    np.testing.assert_array_equal(
        several.estimators_[1].predict_proba(flower), alone.predict_proba(flower)
    )
    assert several.score(flower, thirds) > 0.5


@pytest.mark.parametrize(
    "model",
    [
        HLMRegressor("shop", family="poisson", exposure="days", **FAST, random_state=0),
        PooledRegressor("shop", family="poisson", exposure="days"),
        UnpooledRegressor("shop", family="poisson", exposure="days"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_an_exposure_goes_through_a_pipeline_untouched(visits, model):
    X, y = visits
    scale = make_column_transformer(
        (StandardScaler(), ["price"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pipe = make_pipeline(scale, clone(model)).fit(X, y)
    np.testing.assert_allclose(
        pipe.predict(X.assign(days=3 * X["days"])), 3 * pipe.predict(X), rtol=1e-9
    )
    by_hand = clone(model).fit(scale.fit_transform(X), y)
    np.testing.assert_array_equal(pipe.predict(X), by_hand.predict(scale.transform(X)))
    explained = make_scorer(d2_tweedie_score, power=1)
    assert cross_val_score(pipe, X, y, cv=CV, scoring=explained).min() > 0.3


def test_a_search_over_families_and_their_baselines(visits):
    """By R², by which all families can be compared, and by the deviance."""
    X, y = visits
    steps = make_pipeline("passthrough", PooledRegressor("shop"))
    models = [
        HLMRegressor("shop", **FAST, random_state=0),
        PooledRegressor("shop"),
        UnpooledRegressor("shop"),
    ]
    families = ["poisson", "negative_binomial"]
    grid = [
        {
            "hlm": [clone(model).set_params(family=family, exposure="days")],
        }
        for model in models
        for family in families
    ]
    steps.steps[-1] = ("hlm", steps[-1])
    scoring = {"r2": "r2", "deviance": "neg_mean_poisson_deviance"}
    search = GridSearchCV(steps, grid, scoring=scoring, refit="deviance", cv=CV).fit(X, y)
    deviance = search.cv_results_["mean_test_deviance"]
    assert np.isfinite(deviance).all() and np.isfinite(search.cv_results_["mean_test_r2"]).all()
    assert deviance[0] > deviance[2]  # hierarchical and pooled, of Poisson
    assert deviance[2] == deviance[3]  # pooled coefficients are the same for both families
