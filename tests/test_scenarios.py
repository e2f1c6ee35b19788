"""The estimator among scikit-learn's tools: pipelines, searches, ensembles, inspection, joblib."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skhlm import HLMRegressor, PooledRegressor, UnpooledRegressor
from tests.chance import shift_seeds

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skhlm.exceptions.IdentificationWarning"),
]

N = 90
GROUPS = "region/country"
CV = KFold(2, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def data():
    """Nine countries in three regions that differ in level and slope, and what is true of them."""
    rng = np.random.default_rng(0)
    country = np.arange(N) % 9
    level, slope = rng.normal(size=9), 2 + 0.3 * rng.normal(size=9)
    X = pd.DataFrame(
        {
            "region": np.array(["r0", "r1", "r2"])[country // 3],
            "country": [f"c{k}" for k in country],
            "spend": rng.normal(size=N),
            "price": rng.normal(size=N),
        }
    )
    y = level[country] + slope[country] * X["spend"] + 0.2 * rng.normal(size=N)
    return X, y.rename("sales")


def quick(**parameters):
    """A model that takes a tenth of a second to fit."""
    settings = {"groups": GROUPS, "chains": 1, "iter_warmup": 20, "iter_sampling": 40}
    return HLMRegressor(**(settings | {"random_state": 0, "max_treedepth": 6} | parameters))


@pytest.fixture(scope="module")
def fitted(data):
    with pytest.warns(UserWarning):
        return quick().fit(*data)


# --- pipelines ------------------------------------------------------------------------------------


def test_column_transformer_passes_group_columns_through(data):
    X, y = data
    prepare = ColumnTransformer(
        [("scale", StandardScaler(), ["spend", "price"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipeline = make_pipeline(prepare, quick()).fit(X, y)
    model = pipeline[-1]
    assert list(model.feature_names_in_) == ["spend", "price", "region", "country"]
    scaled = X.assign(**{k: (X[k] - X[k].mean()) / X[k].std(ddof=0) for k in ("spend", "price")})
    by_hand = quick().fit(scaled[model.feature_names_in_], y)
    expected = by_hand.predict(scaled[model.feature_names_in_])
    np.testing.assert_allclose(pipeline.predict(X), expected, rtol=1e-6)
    assert pipeline.score(X, y) == pytest.approx(r2_score(y, pipeline.predict(X)))


def test_encoded_columns_are_predictors_beside_the_groups(data):
    X, y = data
    X = X.assign(channel=np.where(X["price"] > 0, "tv", "web"))
    prepare = ColumnTransformer(
        [("encode", OneHotEncoder(sparse_output=False, drop="first"), ["channel"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = make_pipeline(prepare, quick()).fit(X, y)[-1]
    assert model.coef_.shape == (3,)
    assert model._spec.labels.coefficients == ("Intercept", "channel_web", "spend", "price")


def test_steps_that_return_arrays_need_positions(data):
    X, y = data
    to_array = FunctionTransformer(lambda frame: frame.to_numpy())
    positions = make_pipeline(to_array, quick(groups=(0, 1))).fit(X, y)
    np.testing.assert_array_equal(positions.predict(X), quick().fit(X, y).predict(X))
    with pytest.raises(ValueError, match="X has no column names"):
        make_pipeline(to_array, quick()).fit(X, y)


# --- cross-validation -----------------------------------------------------------------------------


def test_cross_validation_is_fits_and_scores_of_its_folds(data):
    X, y = data
    scores = cross_val_score(quick(), X, y, cv=CV)
    train, test = next(CV.split(X))
    model = quick().fit(X.iloc[train], y.iloc[train])
    assert scores.shape == (2,)
    assert scores[0] == r2_score(y.iloc[test], model.predict(X.iloc[test]))


@pytest.mark.parametrize(
    ("backend", "settings"), [("loky", {"initializer": shift_seeds}), ("threading", {})]
)
def test_cross_validation_in_parallel_is_that_in_series_bit_for_bit(data, backend, settings):
    serial = cross_validate(quick(), *data, cv=CV, return_estimator=True)
    with joblib.parallel_backend(backend, n_jobs=2, **settings):
        parallel = cross_validate(quick(), *data, cv=CV, return_estimator=True, n_jobs=2)
    np.testing.assert_array_equal(serial["test_score"], parallel["test_score"])
    for one, other in zip(serial["estimator"], parallel["estimator"], strict=True):
        np.testing.assert_array_equal(one.predict(data[0]), other.predict(data[0]))


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
def test_whole_countries_that_fit_has_not_seen(data):
    X, y = data
    predicted = cross_val_predict(quick(), X, y, cv=GroupKFold(2), groups=X["country"])
    assert np.isfinite(predicted).all()
    train, test = next(GroupKFold(2).split(X, y, X["country"]))
    model = quick().fit(X.iloc[train], y.iloc[train])
    np.testing.assert_array_equal(predicted[test], model.predict(X.iloc[test]))
    known, unseen = (model.predict_interval(X.iloc[rows]) for rows in (train, test))
    assert np.median(np.ptp(unseen, axis=1)) > np.median(np.ptp(known, axis=1))
    strict = cross_val_score(
        quick(unseen="error"), X, y, cv=GroupKFold(2), groups=X["country"], error_score=-1.0
    )
    np.testing.assert_array_equal(strict, -1)


def test_a_search_over_what_makes_the_model(data):
    grid = [
        {"family": ["normal", "student_t"], "covariance": ["full"]},
        {"varying": ["intercept", ["Intercept", "spend"], {"region": "intercept"}]},
        {"groups": [None, "country", ["region", "country"], (0, 1)]},
    ]
    X = data[0].assign(region=data[0]["region"].str[1:].astype(int))
    X["country"] = X["country"].str[1:].astype(int)
    search = GridSearchCV(quick(algorithm="map"), grid, cv=2).fit(X, data[1])
    tried = map(str, search.cv_results_["params"])
    scores = dict(zip(tried, search.cv_results_["mean_test_score"], strict=True))
    assert len(scores) == 9 and np.isfinite(list(scores.values())).all()
    assert search.best_params_ != {"groups": None} and search.best_score_ > 0.9
    assert scores["{'groups': (0, 1)}"] > scores["{'groups': None}"]
    assert search.predict(X).shape == (N,)


def test_learning_curve_has_every_size(data):
    sizes, train, test = learning_curve(quick(), *data, cv=CV, train_sizes=[12, 45], shuffle=True)
    np.testing.assert_array_equal(sizes, [12, 45])
    assert train.shape == test.shape == (2, 2)
    assert test[1].mean() > test[0].mean()


def test_clone_of_a_fitted_model_is_not_fitted_and_fits_alike(fitted, data):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(data[0])
    np.testing.assert_array_equal(copy.fit(*data).predict(data[0]), fitted.predict(data[0]))


# --- ensembles and transformed targets ------------------------------------------------------------


def test_a_transformed_target_is_transformed_back(data):
    X, y = data
    model = TransformedTargetRegressor(quick(), func=np.log, inverse_func=np.exp).fit(X, np.exp(y))
    log = quick().fit(X, np.log(np.exp(y.to_numpy())))
    np.testing.assert_array_equal(model.predict(X), np.exp(log.predict(X)))


def test_voting_is_the_mean_beside_the_baselines(data):
    X, y = data
    members = [
        ("hlm", quick()),
        ("pool", PooledRegressor(GROUPS)),
        ("un", UnpooledRegressor(GROUPS)),
    ]
    voting = VotingRegressor(members).fit(X, y)
    each = [clone(model).fit(X, y).predict(X) for _, model in members]
    np.testing.assert_allclose(voting.predict(X), np.mean(each, axis=0), rtol=1e-12)


def test_stacking_combines_what_cross_validation_predicts(data):
    X, y = data
    members = [
        ("hlm", quick()),
        ("pool", PooledRegressor(GROUPS)),
        ("un", UnpooledRegressor(GROUPS)),
    ]
    stack = StackingRegressor(members, LinearRegression(), cv=CV).fit(X, y)
    held_out = [cross_val_predict(clone(model), X, y, cv=CV) for _, model in members]
    final = LinearRegression().fit(np.column_stack(held_out), y)
    np.testing.assert_allclose(stack.final_estimator_.coef_, final.coef_, rtol=1e-8)
    assert stack.score(X, y) > 0.9


# --- inspection -----------------------------------------------------------------------------------


def test_permutation_importance_finds_what_matters(fitted, data):
    importance = permutation_importance(fitted, *data, n_repeats=3, random_state=0)
    mean = dict(zip(data[0], importance.importances_mean, strict=True))
    assert mean["spend"] > 10 * abs(mean["price"])
    assert mean["country"] > 10 * abs(mean["price"])


def test_partial_dependence_on_a_predictor_is_its_mean_slope(fitted, data):
    X = data[0]
    found = partial_dependence(fitted, X, ["spend"], grid_resolution=5)
    grid, average = found["grid_values"][0], found["average"][0]
    by_hand = [fitted.predict(X.assign(spend=value)).mean() for value in grid]
    np.testing.assert_allclose(average, by_hand, rtol=1e-10)
    slopes = np.diff(average) / np.diff(grid)
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-8)


def test_partial_dependence_on_a_group_column_has_its_levels(fitted, data):
    found = partial_dependence(fitted, data[0], ["region"], categorical_features=["region"])
    assert list(found["grid_values"][0]) == ["r0", "r1", "r2"]
    by_hand = [
        fitted.predict(data[0].assign(region=region)).mean() for region in ("r0", "r1", "r2")
    ]
    np.testing.assert_allclose(found["average"][0], by_hand, rtol=1e-10)


# --- weights by metadata routing ------------------------------------------------------------------


def test_weights_are_routed_through_a_pipeline_and_a_search(data):
    X, y = data
    weight = np.arange(N) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        model = quick().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline("passthrough", model).fit(X, y, sample_weight=weight)
        search = GridSearchCV(
            make_pipeline("passthrough", model), {"hlmregressor__family": ["normal"]}, cv=CV
        ).fit(X, y, sample_weight=weight)
    again = np.repeat(np.arange(N), weight)
    expected = quick().fit(X.iloc[again], y.iloc[again]).predict(X)
    np.testing.assert_array_equal(pipeline.predict(X), expected)
    train, test = next(CV.split(X))
    fold = quick(family="normal").fit(X.iloc[train], y.iloc[train], weight[train])
    score = r2_score(y.iloc[test], fold.predict(X.iloc[test]), sample_weight=weight[test])
    assert search.cv_results_["split0_test_score"][0] == pytest.approx(score, rel=1e-12)


# --- containers -----------------------------------------------------------------------------------

FORMS = {
    "nullable": lambda X: X.convert_dtypes(),
    "pyarrow": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "categorical": lambda X: X.astype(
        {"country": pd.CategoricalDtype([f"c{k}" for k in range(12)])}
    ),
    "polars": pl.from_pandas,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_frame_gives_the_same_model(fitted, data, form):
    X = form(data[0])
    model = quick().fit(X, data[1].to_numpy())
    np.testing.assert_array_equal(model.predict(X), fitted.predict(data[0]))
    np.testing.assert_array_equal(model.predict(data[0]), fitted.predict(data[0]))
    assert list(model.feature_names_in_) == list(data[0])


def test_every_frame_is_cross_validated_alike(data):
    X, y = data
    expected = cross_val_score(quick(), X, y, cv=CV)
    scores = cross_val_score(quick(), pl.from_pandas(X), y.to_numpy(), cv=CV)
    np.testing.assert_array_equal(scores, expected)
    objects = cross_val_score(quick(groups=(0, 1)), X.to_numpy(), y.to_numpy(), cv=CV)
    np.testing.assert_array_equal(objects, expected)


def test_memory_maps_are_read_and_not_written(data, tmp_path):
    X = data[0].assign(region=data[0]["region"].str[1:], country=data[0]["country"].str[1:])
    array = X.astype(float).to_numpy()
    joblib.dump((array, data[1].to_numpy()), tmp_path / "data.joblib")
    mapped, y = joblib.load(tmp_path / "data.joblib", mmap_mode="r")
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    model = quick(groups=(0, 1)).fit(mapped, y)
    expected = quick(groups=(0, 1)).fit(array, data[1]).predict(array)
    np.testing.assert_array_equal(model.predict(mapped), expected)


# --- what is shown --------------------------------------------------------------------------------


def test_html_shows_the_model_fitted_or_not_and_in_a_pipeline(fitted):
    unfitted = quick()._repr_html_()
    assert "HLMRegressor" in unfitted and "region/country" in unfitted
    assert "Not fitted" in unfitted and "Not fitted" not in fitted._repr_html_()
    pipeline = make_pipeline(StandardScaler(), quick())._repr_html_()
    assert "StandardScaler" in pipeline and "HLMRegressor" in pipeline
    assert repr(quick()).startswith("HLMRegressor(chains=1")


def test_names_of_features_are_those_of_the_frame(fitted, data):
    assert fitted.feature_names_in_.dtype == object
    assert list(fitted.feature_names_in_) == list(data[0])
    assert fitted.n_features_in_ == 4
    bare = quick(groups=(0, 1)).fit(data[0].to_numpy(), data[1])
    assert not hasattr(bare, "feature_names_in_")
