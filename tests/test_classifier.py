"""The classifier as its user meets it: classes, probabilities that agree, its place among tools."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skhlm import HLMClassifier, HLMRegressor, response_curve
from skhlm.priors import Normal
from tests.chance import assert_near

N = 400
SHORT = {"chains": 2, "iter_sampling": 150, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    """Shops in towns, whose customers buy or leave by price."""
    rng = np.random.default_rng(0)
    shop = np.arange(N) % 20
    X = pd.DataFrame(
        {"town": [f"town {s % 5}" for s in shop], "shop": shop, "price": rng.normal(size=N)}
    )
    effect = rng.normal(size=5)[shop % 5] + 0.5 * rng.normal(size=20)[shop]
    bought = rng.random(N) < expit(0.5 + effect - 1.5 * X["price"])
    return X, np.where(bought, "yes", "no")


@pytest.fixture(scope="module")
def model(rows):
    """A model of them; do not change it."""
    return HLMClassifier("town/shop", varying="intercept", random_state=0).fit(*rows)


def quickly(X, y, groups="shop", **parameters):
    """A fit of few draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        given = {"varying": "intercept", **SHORT, **parameters}
        return HLMClassifier(groups, **given).fit(X, y)


# --- results --------------------------------------------------------------------------------------


def test_attributes(model):
    assert is_classifier(model)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.groups_ == ("town", "town/shop")
    assert model.coef_.shape == (1,) and model.coef_[0] < 0
    assert set(model.tau_) == {"town", "town/shop"}
    assert not {"sigma_", "nu_", "overdispersion_", "cv_"} & set(vars(model))
    assert not {"family", "exposure", "class_weight"} & set(model.get_params())
    assert model.diagnostics_.verdict == "pass"


def test_all_three_predictions_agree(model, rows):
    X, y = rows
    X = pd.concat([X, X.iloc[:5].assign(shop=99), X.iloc[5:9].assign(town="elsewhere")])
    probability = model.predict_proba(X)
    assert probability.shape == (len(X), 2)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-15)
    # Near one a probability has lost digits of its odds: one in 1e-16 / (1 - p).
    odds, log_probability = logit(probability[:, 1]), np.log(probability)
    np.testing.assert_allclose(model.decision_function(X), odds, rtol=1e-9)
    np.testing.assert_allclose(model.predict_log_proba(X), log_probability, rtol=1e-12, atol=1e-15)
    labels = model.classes_[probability.argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), labels)
    np.testing.assert_array_equal(labels == "yes", model.decision_function(X) > 0)
    assert model.score(X.iloc[:N], y) == (labels[:N] == y).mean()
    assert model.score(X.iloc[:N], y) > 0.7


@pytest.mark.parametrize("price", [-1e4, -50.0, -12.0, 12.0, 50.0, 1e4])
@pytest.mark.parametrize("shop", [0, 99])
def test_far_out_they_agree_and_are_finite(model, rows, price, shop):
    """Where one less a probability has lost its digits, and where a probability is none."""
    X = rows[0].iloc[:2].assign(price=price, shop=shop)
    probability, log_odds = model.predict_proba(X), model.decision_function(X)
    log_probability = model.predict_log_proba(X)
    assert np.isfinite(log_odds).all() and np.isfinite(log_probability).all()
    np.testing.assert_allclose(log_probability[:, 1] - log_probability[:, 0], log_odds, rtol=1e-9)
    np.testing.assert_allclose(np.exp(log_probability), probability, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-15)
    assert np.isfinite(roc_auc_score(["no", "yes"], [log_odds[0] - 1, log_odds[0]]))


def test_a_probability_is_the_mean_over_draws_of_the_logistic_function(model, rows):
    X = rows[0].iloc[:40]
    draws = model.sample_y(X, n_samples=model._posterior.n_draws, kind="mean")
    error = draws.std(axis=1) / np.sqrt(model.diagnostics_.min_ess_bulk)
    assert_near(draws.mean(axis=1), model.predict_proba(X)[:, 1], error)


def test_a_new_shop_is_nearer_to_even_than_one_without_an_effect(model, rows):
    """Integrating an effect out pulls a probability to one half; its sign stays."""
    X = rows[0].assign(town="elsewhere", shop=99)
    new = model.decision_function(X)
    population = model.intercept_ + model.coef_[0] * X["price"].to_numpy()
    far = np.abs(population) > 1
    assert (np.abs(new[far]) < np.abs(population[far])).all()
    assert (np.sign(new[far]) == np.sign(population[far])).all()


def test_intervals_of_a_probability_hold_its_mean_and_nest(model, rows):
    X = rows[0]
    wide, narrow = model.predict_interval(X, 0.95), model.predict_interval(X, 0.5)
    second = model.predict_proba(X)[:, 1]
    assert (wide[:, 0] > 0).all() and (wide[:, 1] < 1).all()
    assert ((wide[:, 0] < narrow[:, 0]) & (narrow[:, 1] < wide[:, 1])).all()
    assert ((wide[:, 0] < second) & (second < wide[:, 1])).all()
    quantiles = model.predict_quantiles(X, [0.025, 0.25, 0.75, 0.975])
    np.testing.assert_allclose(quantiles[:, [0, 3]], wide, rtol=1e-12)
    np.testing.assert_allclose(quantiles[:, [1, 2]], narrow, rtol=1e-12)
    new = model.predict_interval(X.iloc[:1].assign(town="elsewhere"))
    assert np.ptp(new) > np.ptp(model.predict_interval(X.iloc[:1]))


def test_the_log_odds_have_intervals_and_quantiles(model, rows):
    X = rows[0].iloc[:12]
    with pytest.raises(ValueError, match=r"HLMClassifier\.predict_interval must be a str among"):
        model.predict_interval(X, kind="outcome")
    for of in (model, make_pipeline(FunctionTransformer(), model)):
        with pytest.raises(ValueError, match=r"kind='outcome': a label has no interval"):
            response_curve(of, X, "price", kind="outcome")
    probability, log_odds = (model.predict_interval(X, 0.8, kind) for kind in ("mean", "link"))
    np.testing.assert_allclose(expit(log_odds), probability, rtol=1e-9)
    quantiles = model.predict_quantiles(X, [0.1, 0.9], kind="link")
    np.testing.assert_allclose(quantiles, log_odds, rtol=1e-9)
    new = X.assign(shop=99)
    wide = model.predict_interval(new, 0.8, "link")
    np.testing.assert_allclose(expit(wide), model.predict_interval(new, 0.8), rtol=1e-9)
    draws = model.sample_y(X, model._posterior.n_draws, kind="link")
    middle = model.predict_quantiles(X, [0.25, 0.75], kind="link")
    inside = ((draws > middle[:, :1]) & (draws < middle[:, 1:])).mean(axis=1)
    np.testing.assert_allclose(inside, 0.5, atol=0.01)  # the same draws


def test_the_typical_probability_has_effects_of_new_levels_at_zero(model, rows):
    X = (
        rows[0]
        .iloc[:6]
        .assign(town=["nowhere"] * 3 + ["town 1"] * 3, shop=99, price=[-2, 1, 2] * 2)
    )
    log_odds = model.decision_function(X, kind="typical")
    kappa = model.intercept_ + model.coef_[0] * X["price"].to_numpy()
    np.testing.assert_allclose(log_odds[:3], kappa[:3], rtol=1e-9)
    typical = model.predict_proba(X, kind="typical")
    np.testing.assert_allclose(logit(typical[:, 1]), log_odds, rtol=1e-9)
    np.testing.assert_allclose(typical.sum(axis=1), 1, rtol=1e-15)
    mean = model.predict_proba(X)
    decided = np.abs(typical - 0.5) > 0.2
    assert decided.any()
    assert (np.abs(mean - 0.5) < np.abs(typical - 0.5))[decided].all()
    np.testing.assert_array_equal(mean, model.predict_proba(X, kind="mean"))
    far = X.assign(price=[-100, 100] * 3)
    assert (model.predict_proba(far, kind="typical") > 0).all()


def test_draws_are_labels_with_the_probability_of_their_class(model, rows):
    X = rows[0].iloc[:30]
    draws = model.sample_y(X, n_samples=2000)
    assert draws.shape == (30, 2000) and set(np.unique(draws)) == {"no", "yes"}
    p = model.predict_proba(X)[:, 1]
    assert_near((draws == "yes").mean(axis=1), p, np.sqrt(p * (1 - p) / 500))


def test_it_is_the_binomial_regression_of_zeros_and_ones(rows):
    X, y = rows
    ours = quickly(X.drop(columns="town"), y)
    given = {"varying": "intercept", "family": "binomial", **SHORT}
    theirs = HLMRegressor("shop", **given).fit(X.drop(columns="town"), (y == "yes") * 1.0)
    table = X.drop(columns="town").assign(shop=X["shop"].where(X["shop"] > 3, 99))
    np.testing.assert_array_equal(ours.predict_proba(table)[:, 1], theirs.predict(table))
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


def test_weights_are_repetitions(rows):
    X, y = rows
    weight = np.random.default_rng(1).integers(0, 4, N)
    given = {"varying": "intercept", **SHORT}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted = HLMClassifier("shop", **given).fit(X[["shop", "price"]], y, weight)
        index = np.repeat(np.arange(N), weight)
        repeated = HLMClassifier("shop", **given).fit(X[["shop", "price"]].iloc[index], y[index])
    np.testing.assert_array_equal(weighted.coef_, repeated.coef_)


def test_the_model_finds_what_made_the_data():
    rng = np.random.default_rng(3)
    shop = np.arange(3000) % 30
    effect, x = 0.8 * rng.normal(size=30), rng.normal(size=3000)
    y = rng.random(3000) < expit(-1 + effect[shop] + 0.7 * x)
    X = pd.DataFrame({"shop": shop, "x": x})
    fit = HLMClassifier("shop", varying="intercept", random_state=0).fit(X, y)
    assert_near(fit.coef_[0], 0.7, fit._posterior.draws.kappa[1].std())
    found = fit.decision_function(X.assign(x=0.0).iloc[:30])
    assert np.corrcoef(found, effect)[0, 1] > 0.9


def test_scores_read_labels(model, rows):
    X, y = rows
    p = model.predict_proba(X)[:, 1]
    expected = np.log(np.where(y == "yes", p, 1 - p))
    np.testing.assert_allclose(model.log_predictive_density(X, y), expected, rtol=1e-9)
    np.testing.assert_allclose(model.crps(X, y), ((y == "yes") - p) ** 2, rtol=1e-9, atol=1e-12)
    assert model.joint_log_density(X, y) < 0
    with pytest.raises(ValueError, match=r"'maybe' in row .*, which is no class of the model"):
        model.log_predictive_density(X[:1], ["maybe"])


# --- labels ---------------------------------------------------------------------------------------

LABELS = {
    "booleans": np.array([False, True]),
    "numbers": np.array([1, 2]),
    "signs": np.array([-1.0, 1.0]),
    "objects": np.array(["no", "yes"], dtype=object),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_any_type(rows, labels):
    X, y = rows
    theirs = labels[(y == "yes").astype(int)]
    fit = quickly(X.drop(columns="town"), theirs)
    assert fit.classes_.dtype == labels.dtype and fit.classes_.tolist() == labels.tolist()
    predicted = fit.predict(X.drop(columns="town"))
    assert predicted.dtype == labels.dtype
    strings = quickly(X.drop(columns="town"), y)
    np.testing.assert_array_equal(
        predicted == labels[1], strings.predict(X.drop(columns="town")) == "yes"
    )
    assert fit.sample_y(X.drop(columns="town"), 2).dtype == labels.dtype


def test_categories_and_nullable_labels(rows):
    X, y = rows[0].drop(columns="town"), rows[1]
    expected = quickly(X, y).coef_
    for theirs in (
        pd.Series(pd.Categorical(y, ["yes", "no"])),
        pd.Series(y == "yes", dtype="boolean"),
        pd.Series(y, dtype="string"),
        (y == "yes").tolist(),
    ):
        np.testing.assert_array_equal(quickly(X, theirs).coef_, expected)


def test_a_second_fit_has_its_own_classes(rows):
    X, y = rows[0].drop(columns="town"), rows[1]
    fit = quickly(X, y, warm_start=True)
    before = fit.coef_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit.fit(X, np.where(y == "yes", "stay", "leave"))
    assert fit.classes_.tolist() == ["leave", "stay"]
    assert fit.predict(X[:3]).tolist() != ["no"] * 3
    assert np.sign(fit.coef_) == np.sign(before)


# --- errors ---------------------------------------------------------------------------------------


def test_three_classes_and_one_say_what_to_do(rows, temporary):
    X = rows[0].drop(columns="town")
    with pytest.raises(ValueError, match=r"3 classes, 0, 1, 2.*OneVsRestClassifier"):
        HLMClassifier("shop").fit(X, np.arange(N) % 3)
    with pytest.raises(ValueError, match=r"one class alone, 'a' in all 400 rows"):
        HLMClassifier("shop").fit(X, ["a"] * N)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        HLMClassifier("shop").fit(X, X["price"])
    assert not list(temporary.iterdir())


def test_what_cannot_be_set():
    for parameter in ("family", "exposure", "class_weight"):
        with pytest.raises(TypeError, match=parameter):
            HLMClassifier(**{parameter: None})


def test_a_predictor_that_gives_the_classes_away_is_said(rows):
    X, y = rows[0].drop(columns="town"), rows[1]
    leak = X.assign(refund=(y == "no") * 1.0)
    with pytest.warns(Warning, match="tell without exception where y is 0 or 1: 'refund'"):
        fit = HLMClassifier("shop", varying="intercept", **SHORT).fit(leak, y)
    assert np.isfinite(fit.predict_log_proba(leak)).all()
    assert fit.score(leak, y) > 0.97


# --- its place among scikit-learn's tools ---------------------------------------------------------


def fast(**parameters):
    """A model that fits at once."""
    given = {"varying": "intercept", "algorithm": "laplace", "iter_sampling": 100, **parameters}
    return HLMClassifier("shop", random_state=0, **given)


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_more_classes_one_against_the_rest():
    iris = load_iris(as_frame=True)
    X = iris.data.assign(shop=np.arange(150) % 6)
    names = iris.target_names[iris.target]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the first class is apart from the rest
        model = OneVsRestClassifier(fast()).fit(X, names)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    assert model.score(X, names) > 0.9


def test_cross_validation_scores_and_searches(rows):
    X, y = rows[0].drop(columns="town"), rows[1]
    scores = cross_val_score(fast(), X, y, cv=3, scoring="neg_log_loss")
    base = -log_loss(y, np.full(N, (y == "yes").mean()))
    assert (scores > base).all()
    grid = {"priors": [{"tau": Normal(0, 0.01)}, {"tau": Normal(0, 1)}]}
    search = GridSearchCV(fast(), grid, cv=3, scoring="neg_brier_score").fit(X, y == "yes")
    assert search.best_params_ == {"priors": {"tau": Normal(0, 1)}}
    expected = brier_score_loss(y == "yes", search.predict_proba(X)[:, 1])
    assert search.score(X, y == "yes") == -expected


def test_calibration_thresholds_and_stacking(rows):
    X, y = rows[0].drop(columns="town"), rows[1]
    calibrated = CalibratedClassifierCV(fast(), cv=2).fit(X, y)
    threshold = TunedThresholdClassifierCV(fast(), cv=2, scoring="balanced_accuracy").fit(X, y)
    flat = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["shop"]), remainder="passthrough"),
        LogisticRegression(),
    )
    stack = StackingClassifier([("flat", flat), ("groups", fast())], cv=2).fit(X, y)
    for model in (calibrated, threshold, stack):
        assert model.classes_.tolist() == ["no", "yes"]
        assert model.score(X, y) > 0.7


def test_pipelines_and_out_of_fold_probabilities(rows):
    X, y = rows[0].drop(columns="town"), rows[1]
    scale = make_column_transformer(
        (StandardScaler(), ["price"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pipe = make_pipeline(scale, fast())
    probability = cross_val_predict(pipe, X, y, cv=3, method="predict_proba")
    assert probability.shape == (N, 2)
    assert log_loss(y, probability) < log_loss(y, np.full((N, 2), 0.5))


# --- documentation --------------------------------------------------------------------------------


def entries(cls):
    """What a docstring says of each parameter."""
    text = cls.__doc__.partition("Parameters\n")[2].partition("Attributes\n")[0]
    found, name = {}, None
    for line in text.splitlines():
        if line.startswith("    ") and line[4:5].isalpha() and " : " in line:
            name = line.split()[0]
        if name:
            found[name] = found.get(name, "") + line + "\n"
    return {name: text.strip() for name, text in found.items()}


def test_both_doors_say_the_same_of_the_parameters_that_they_share():
    ours, theirs = entries(HLMClassifier), entries(HLMRegressor)
    assert ours.keys() == HLMClassifier().get_params().keys()
    assert theirs.keys() == HLMRegressor().get_params().keys()
    assert theirs.keys() - ours.keys() == {"family", "exposure"}
    differ = {name for name in ours if ours[name] != theirs[name]}
    assert differ == {"groups", "autoscale", "priors"}
