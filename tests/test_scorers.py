"""Scorers in scikit-learn's machinery: several at once, searches, pipelines, routing."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhlm import (
    HLMClassifier,
    HLMRegressor,
    PooledClassifier,
    PooledRegressor,
    UnpooledClassifier,
    UnpooledRegressor,
    scorers,
)
from skhlm.posterior.scoring import inside, interval_score

ALL = {
    "log_density": scorers.log_predictive_density,
    "joint": scorers.joint_log_density,
    "crps": scorers.neg_crps,
    "interval": scorers.neg_interval_score,
    "coverage": scorers.neg_coverage_error,
}


@pytest.fixture(scope="module")
def shops():
    """Twelve shops of ten rows, positive outcomes."""
    rng = np.random.default_rng(0)
    shop = np.repeat(list("abcdefghijkl"), 10)
    X = pd.DataFrame({"shop": shop, "price": rng.normal(5, 1, 120)})
    return X, 20 + rng.normal(size=12).repeat(10) - X["price"] + rng.normal(size=120)


@pytest.fixture(scope="module")
def quick():
    return HLMRegressor("shop", family="normal", random_state=0)


@pytest.fixture(scope="module")
def models(shops, quick):
    X, y = shops
    known = (X["shop"] < "k").to_numpy()
    return [
        m.fit(X[known], y[known])
        for m in (quick, PooledRegressor("shop"), UnpooledRegressor("shop"))
    ]


def test_scores_are_means_of_the_rows(shops, models):
    X, y = shops
    for model in models:
        interval = model.predict_interval(X, 0.9)
        found = {name: scorer(model, X, y) for name, scorer in ALL.items()}
        assert found == pytest.approx(
            {
                "log_density": model.log_predictive_density(X, y).mean(),
                "joint": model.joint_log_density(X, y),
                "crps": -model.crps(X, y).mean(),
                "interval": -interval_score(y.to_numpy(), interval, 0.9).mean(),
                "coverage": -abs(inside(y.to_numpy(), interval).mean() - 0.9),
            },
            rel=1e-12,
        )


@pytest.mark.parametrize("name", ALL)
def test_weights_are_repetitions(shops, models, name):
    X, y = shops
    times = np.random.default_rng(0).integers(0, 3, len(X))
    for model in models:
        weighted = ALL[name](model, X, y, sample_weight=times)
        repeated = ALL[name](model, X.loc[X.index.repeat(times)], y.repeat(times))
        assert weighted == pytest.approx(repeated, rel=1e-9)


def test_cross_validate_with_all_in_two_processes(shops):
    X, y = shops
    model = UnpooledRegressor("shop")
    cv = GroupKFold(3)
    alone = cross_validate(model, X, y, groups=X["shop"], cv=cv, scoring=ALL)
    apart = cross_validate(model, X, y, groups=X["shop"], cv=cv, scoring=ALL, n_jobs=2)
    for name in ALL:
        assert np.isfinite(alone[f"test_{name}"]).all()
        np.testing.assert_array_equal(alone[f"test_{name}"], apart[f"test_{name}"])


def test_whole_groups_held_out_of_the_hierarchical_model(shops, quick):
    X, y = shops
    found = cross_validate(
        clone(quick), X, y, groups=X["shop"], cv=GroupKFold(2), scoring=ALL, error_score="raise"
    )
    assert np.isfinite([found[f"test_{name}"] for name in ALL]).all()
    # Rows of a new shop share its effect: together they are likelier than each by itself.
    assert (found["test_joint"] > 60 * found["test_log_density"]).all()


def test_searches_and_pipelines(shops):
    X, y = shops
    scale = ColumnTransformer(
        [("shop", "passthrough", ["shop"]), ("price", StandardScaler(), ["price"])]
    )
    scale.set_output(transform="pandas")
    pipeline = make_pipeline(scale, PooledRegressor("shop__shop"))
    grid = {"pooledregressor__fit_intercept": [True, False]}
    search = GridSearchCV(pipeline, grid, scoring=scorers.log_predictive_density, cv=3).fit(X, y)
    assert search.best_params_ == {"pooledregressor__fit_intercept": True}
    plain = PooledRegressor("shop").fit(X, y)
    for scorer in ALL.values():
        assert scorer(search, X, y) == pytest.approx(scorer(plain, X, y), rel=1e-9)
    nested = cross_val_score(search, X, y, cv=2, scoring=scorers.neg_crps)
    assert np.isfinite(nested).all()


def test_intervals_of_a_transformed_target_are_transformed_back(shops):
    X, y = shops
    model = TransformedTargetRegressor(PooledRegressor("shop"), func=np.log, inverse_func=np.exp)
    model.fit(X, y)
    ends = np.exp(PooledRegressor("shop").fit(X, np.log(y)).predict_interval(X, 0.5))
    expected = -interval_score(y.to_numpy(), ends, 0.5).mean()
    assert scorers.NegIntervalScore(0.5)(model, X, y) == pytest.approx(expected, rel=1e-12)
    falling = TransformedTargetRegressor(
        PooledRegressor("shop"), func=np.negative, inverse_func=np.negative
    )
    assert scorers.neg_interval_score(falling.fit(X, y), X, y) == pytest.approx(
        scorers.neg_interval_score(PooledRegressor("shop").fit(X, y), X, y), rel=1e-9
    )
    with pytest.raises(TypeError, match="TransformedTargetRegressor"):
        scorers.neg_crps(model, X, y)


def test_an_estimator_without_distribution_is_refused(shops):
    X, y = shops
    model = LinearRegression().fit(X[["price"]], y)
    for scorer in ALL.values():
        with pytest.raises(TypeError, match="LinearRegression has no predictive distribution"):
            scorer(model, X[["price"]], y)


def test_bad_input_is_named(shops, models):
    X, y = shops
    for scorer in ALL.values():
        with pytest.raises(ValueError, match="at least one non-zero"):
            scorer(models[1], X, y, sample_weight=np.zeros(len(X)))
        with pytest.raises(ValueError, match="Input y contains NaN"):
            scorer(models[0], X, y * np.nan)
        with pytest.raises(NotFittedError):
            scorer(GridSearchCV(PooledRegressor("shop"), {}), X, y)


def test_scorers_are_configured_cloned_and_pickled(shops, models):
    X, y = shops
    narrow = scorers.NegIntervalScore(coverage=0.5)
    for again in (clone(narrow), pickle.loads(pickle.dumps(narrow))):
        assert again(models[1], X, y) == narrow(models[1], X, y)
    assert narrow(models[1], X, y) != scorers.neg_interval_score(models[1], X, y)
    assert repr(narrow) == "NegIntervalScore(coverage=0.5)"
    with pytest.raises(ValueError, match="coverage"):
        scorers.NegCoverageError(90)(models[1], X, y)


def test_searches_over_several_scores_take_weights(shops):
    X, y = shops
    weight = np.random.default_rng(0).integers(1, 4, len(X))
    scoring = {"r2": "r2", "crps": scorers.neg_crps}
    search = GridSearchCV(PooledRegressor("shop"), {}, scoring=scoring, refit="crps", cv=2)
    search.fit(X, y, sample_weight=weight)
    half = np.arange(len(X)) < 60
    fit = PooledRegressor("shop").fit(X[~half], y[~half], weight[~half])
    if hasattr(search, "_check_scorers_accept_sample_weight"):  # older ones weight the fit alone
        score = -np.average(fit.crps(X[half], y[half]), weights=weight[half])
    else:
        score = -fit.crps(X[half], y[half]).mean()
    assert search.cv_results_["split0_test_crps"][0] == pytest.approx(score, rel=1e-12)


def test_weights_are_routed(shops):
    X, y = shops
    weight = np.random.default_rng(0).integers(1, 4, len(X))
    with config_context(enable_metadata_routing=True):
        scorer = scorers.NegCRPS().set_score_request(sample_weight=True)
        model = PooledRegressor("shop").set_fit_request(sample_weight=True)
        found = cross_validate(
            model, X, y, cv=2, scoring={"crps": scorer}, params={"sample_weight": weight}
        )["test_crps"]
    half = np.arange(len(X)) < 60
    for score, test in zip(found, (half, ~half), strict=True):
        fit = PooledRegressor("shop").fit(X[~test], y[~test], weight[~test])
        assert score == -np.average(fit.crps(X[test], y[test]), weights=weight[test])


def test_asking_for_weights_changes_no_scorer_of_others():
    with config_context(enable_metadata_routing=True):
        for scorer in ALL.values():
            mine = scorer.set_score_request(sample_weight=True)
            assert type(mine) is type(scorer)
            assert mine.get_metadata_routing().score.requests == {"sample_weight": True}
            assert scorer.get_metadata_routing().score.requests == {"sample_weight": None}
        half = scorers.NegIntervalScore(0.5).set_score_request(sample_weight="w")
        assert half.coverage == 0.5


def test_one_row_is_its_own_group(fitted, campaigns):
    X, y = campaigns[0].head(1), campaigns[1].head(1)
    alone = fitted.log_predictive_density(X, y)[0]
    assert fitted.joint_log_density(X, y) == pytest.approx(alone, rel=1e-12)
    new = X.assign(country="new", vertical="new")
    # The one integrates new effects out by importance, the other has one of them for each draw.
    assert fitted.joint_log_density(new, y) == pytest.approx(
        fitted.log_predictive_density(new, y)[0], abs=0.05
    )


def test_missing_groups_are_not_shared(fitted, campaigns):
    X, y = campaigns[0].head(2).assign(region="region-1", country="new"), campaigns[1].head(2)
    missing = X.assign(country=None)
    apart = X.assign(country=["new", "newer"])
    together = fitted.joint_log_density(X, y)
    assert fitted.joint_log_density(missing, y) == fitted.joint_log_density(apart, y)
    assert together != pytest.approx(fitted.joint_log_density(apart, y), abs=1e-3)


# --- counts, classes ------------------------------------------------------------------------------

FAST = {"varying": "intercept", "algorithm": "laplace", "chains": 2, "iter_sampling": 100}
CLASSIFIERS = [HLMClassifier("shop", **FAST, random_state=0)]
CLASSIFIERS += [PooledClassifier("shop"), UnpooledClassifier("shop")]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: type(model).__name__)
def test_scores_of_labels_are_log_loss_and_briers(shops, model):
    X, y = shops
    rng = np.random.default_rng(0)
    labels = np.where(y - y.mean() > 2 * rng.normal(size=len(y)), "yes", "no")
    model = make_pipeline("passthrough", clone(model)).fit(X, labels)
    p = model.predict_proba(X)[:, 1]
    proper = {name: ALL[name] for name in ("log_density", "joint", "crps")}
    found = {name: scorer(model, X, labels) for name, scorer in proper.items()}
    assert found["log_density"] == pytest.approx(-log_loss(labels, p), rel=1e-6)
    assert found["crps"] == pytest.approx(-brier_score_loss(labels == "yes", p), rel=1e-6)
    assert np.isfinite(found["joint"])
    for name in ALL.keys() - proper.keys():
        with pytest.raises(
            TypeError, match=r"Classifier is a classifier, and a label has no inter"
        ):
            ALL[name](model, X, labels)
    for scorer in proper.values():
        with pytest.raises(ValueError, match=r"'maybe' in row .*, which is no class"):
            scorer(model, X[:2], ["yes", "maybe"])


def test_shares_of_several_trials_are_not_held_against_intervals_of_one(shops):
    X, y = shops
    share = np.round(np.clip((y - y.min()) / np.ptp(y), 0, 1) * 8) / 8
    model = PooledRegressor("shop", family="binomial").fit(X, share, np.full(len(y), 8))
    for score in (scorers.neg_interval_score, scorers.neg_coverage_error):
        with pytest.raises(ValueError, match="y holds shares of several trials"):
            score(model, X, share)
        assert np.isfinite(score(model, X, np.round(share)))
    assert np.isfinite(scorers.neg_crps(model, X, share))
    plain = PooledRegressor("shop").fit(X, share)
    assert np.isfinite(scorers.neg_interval_score(plain, X, share))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_search_over_families_of_counts(shops):
    """Overdispersed counts: the log score finds out, of the hierarchical model and the baseline."""
    X, y = shops
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.exp(y / 8) * rng.gamma(0.7, 1 / 0.7, len(y)))
    grid = {"family": ["poisson", "negative_binomial"]}
    cv = KFold(2, shuffle=True, random_state=0)
    for model in (HLMRegressor("shop", **FAST, random_state=0), PooledRegressor("shop")):
        search = GridSearchCV(model, grid, scoring=ALL, refit="log_density", cv=cv)
        search.fit(X, counts)
        assert search.best_params_ == {"family": "negative_binomial"}
        for name in ALL:
            assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()
        with pytest.raises(ValueError, match="counts are whole numbers"):
            scorers.neg_interval_score(search, X, counts + 0.5)
