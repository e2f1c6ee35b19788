"""The model inside pipelines, searches, transformed targets and their nestings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.model_selection._search_successive_halving import HalvingGridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skhlm import PooledRegressor, column_importance, compare, scorers
from skhlm.wrappers import asking, find_model, fit_weights, model_to_fit, wrapped_as


class Doubled(TransformerMixin, BaseEstimator):
    """A step that keeps nothing, and so has nothing that says it is fitted."""

    def fit(self, *_):
        return self

    def transform(self, X):
        return X.assign(price=2 * X["price"])


def pooled():
    return PooledRegressor("shop")


CHOICE = {"groups": ["shop"]}
WRAPPED = {
    "model": pooled,
    "pipeline": lambda: make_pipeline(Doubled(), "passthrough", pooled()),
    "pipeline in a pipeline": lambda: make_pipeline(Doubled(), make_pipeline(Doubled(), pooled())),
    "search": lambda: GridSearchCV(pooled(), CHOICE, cv=2),
    "random search": lambda: RandomizedSearchCV(pooled(), CHOICE, n_iter=1, cv=2, random_state=0),
    "halving search": lambda: HalvingGridSearchCV(pooled(), CHOICE, cv=2, random_state=0),
    "search over a pipeline": lambda: GridSearchCV(make_pipeline(Doubled(), pooled()), {}, cv=2),
    "pipeline that ends in a search": lambda: make_pipeline(
        Doubled(), GridSearchCV(pooled(), CHOICE, cv=2)
    ),
}
SCALED = {
    "target": lambda: _scaled(pooled()),
    "target over a pipeline": lambda: _scaled(make_pipeline(Doubled(), pooled())),
    "pipeline that ends in a target": lambda: make_pipeline(Doubled(), _scaled(pooled())),
    "search over a target": lambda: GridSearchCV(_scaled(pooled()), {}, cv=2),
    "target in a target": lambda: _scaled(_scaled(pooled())),
}


def _scaled(model):
    return TransformedTargetRegressor(model, func=lambda y: y / 10 - 1, inverse_func=_unscaled)


def _unscaled(y):
    return 10 * (y + 1)


@pytest.fixture(scope="module")
def shops():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.repeat(np.arange(8), 15), "price": rng.normal(size=120)})
    return X, X["price"] + 3 * rng.normal(size=8).repeat(15) + rng.normal(size=120)


@pytest.mark.parametrize("name", WRAPPED | SCALED)
def test_intervals_are_those_of_the_model_inside(shops, name):
    """A least-squares line does not mind that its predictor is doubled, nor y on another scale."""
    X, y = shops
    model = (WRAPPED | SCALED)[name]().fit(X, y)
    plain = PooledRegressor("shop").fit(X, y)
    interval = scorers.predict_interval(model, X, 0.8)
    np.testing.assert_allclose(interval, plain.predict_interval(X, 0.8), rtol=1e-8)
    route = find_model(model)
    assert isinstance(route.model, PooledRegressor)
    predicted = route.outcomes(route.model.predict(route.features(X)))
    np.testing.assert_allclose(predicted, model.predict(X))
    if name in WRAPPED:
        for scorer in (scorers.log_predictive_density, scorers.neg_crps):
            assert scorer(model, X, y) == pytest.approx(scorer(plain, X, y), rel=1e-8)


@pytest.mark.parametrize("name", WRAPPED | SCALED)
def test_comparison_takes_groups_from_the_model_inside(shops, name):
    """No number of a shop is a predictor, and shops held out are unseen."""
    X, y = shops
    model = (WRAPPED | SCALED)[name]()
    folds = {"cv": 4, "split_by": "shop", "random_state": 0}
    scores = compare(X, y, model=model, **folds)
    expected = compare(X, y, model=pooled(), **folds)
    assert scores.loc[scores["rows"] == "unseen", "n"].groupby(scores["model"]).sum().eq(120).all()
    numbers = ["n", "r2", "rmse", "coverage", "width"]
    baselines = scores["model"] != "hierarchical"
    np.testing.assert_allclose(scores[numbers][baselines], expected[numbers][baselines], rtol=1e-8)
    assert scores["crps"].notna().sum() == (
        expected["crps"].notna().sum() if name in WRAPPED else 0
    )


@pytest.mark.parametrize("name", WRAPPED | SCALED)
def test_weights_reach_the_model_inside(shops, name):
    X, y = shops
    model, weight = (WRAPPED | SCALED)[name](), np.arange(1.0, 121.0)
    model.fit(X, y, **fit_weights(model, weight))
    plain = PooledRegressor("shop").fit(X, y, weight)
    np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-8)
    assert fit_weights(model, None) == {}


@pytest.mark.parametrize(
    "name", ["model", "pipeline in a pipeline", "search over a pipeline", "target over a pipeline"]
)
def test_weights_reach_who_asks_for_them(shops, name):
    X, y = shops
    weight = np.arange(1.0, 121.0)
    with config_context(enable_metadata_routing=True):
        model = (WRAPPED | SCALED)[name]()
        asking(model_to_fit(model)).set_score_request(sample_weight=True)
        routed = compare(X, y, model=model, cv=3, sample_weight=weight, random_state=0)
    plain = compare(X, y, model=pooled(), cv=3, sample_weight=weight, random_state=0)
    numbers = ["n", "r2", "rmse", "coverage", "width"]
    np.testing.assert_allclose(routed[numbers], plain[numbers], rtol=1e-8)


@pytest.mark.parametrize("scoring", [scorers.log_predictive_density, scorers.neg_interval_score])
def test_searches_over_steps_without_state_have_numbers(shops, scoring):
    search = GridSearchCV(make_pipeline(Doubled(), pooled()), {}, scoring=scoring, cv=2)
    assert np.isfinite(search.fit(*shops).cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("name", WRAPPED | SCALED)
def test_what_is_not_fitted_is_said(name):
    with pytest.raises(NotFittedError):
        find_model((WRAPPED | SCALED)[name]())


def test_a_search_that_did_not_refit_has_no_model(shops):
    search = GridSearchCV(PooledRegressor("shop"), {}, refit=False, cv=2).fit(*shops)
    with pytest.raises(NotFittedError, match=r"has no best_estimator_ .* refit=True"):
        find_model(search)


def test_importance_of_columns_inside_a_search_but_not_behind_steps(shops):
    X, y = shops
    expected = column_importance(PooledRegressor("shop").fit(X, y))
    for name in ("search", "target"):
        scale = 0.1 if name == "target" else 1.0
        found = column_importance((WRAPPED | SCALED)[name]().fit(X, y))
        np.testing.assert_allclose(found, scale * expected)
    with pytest.raises(TypeError, match="whose steps change the columns of X"):
        column_importance(WRAPPED["pipeline"]().fit(X, y))


def test_feature_selection_is_a_step(shops):
    X, y = shops[0].assign(noise=np.random.default_rng(1).normal(size=120)), shops[1]
    model = PooledRegressor(0)
    rfe = RFE(model, n_features_to_select=2, importance_getter=column_importance).fit(X, y)
    route = find_model(rfe)
    assert route.model is rfe.estimator_
    assert route.features(X).shape == (120, 2)
    assert model_to_fit(rfe) is model


def test_another_model_stands_in_the_same_place():
    model = pooled()
    memory = make_pipeline(Doubled(), model, memory="cache")
    search = GridSearchCV(_scaled(memory), {})
    other = PooledRegressor(None)
    found = wrapped_as(search, other)
    assert isinstance(found, TransformedTargetRegressor)
    assert isinstance(found.regressor, Pipeline)
    assert (found.regressor.memory, found.regressor[-1]) == ("cache", other)
    assert model_to_fit(search) is model


def test_frozen_models_are_found(shops):
    X, y = shops
    model = pooled().fit(X, y)
    assert find_model(make_pipeline(FrozenEstimator(model)).fit(X, y)).model is model
    assert model_to_fit(FrozenEstimator(model)) is model
