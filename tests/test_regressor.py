"""The estimator as its user meets it: results, invariances, silence, errors."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skhlm import HLMClassifier, HLMRegressor, load, save
from skhlm.exceptions import IdentificationWarning
from skhlm.families import AUXILIARY, FAMILIES, parameters_of
from skhlm.priors import Gamma, Normal, StudentT
from tests.chance import assert_near

GROUPS = ["region/country", "industry/vertical"]


def small(**parameters):
    """A model that fits in a second."""
    settings = {"groups": GROUPS, "chains": 2, "iter_sampling": 200, "random_state": 0}
    return HLMRegressor(**(settings | parameters))


@pytest.fixture(scope="module")
def rows(campaigns):
    return campaigns[0].iloc[:200], campaigns[1].iloc[:200]


def quiet_fit(model, *data, **keywords):
    """Fit where short chains may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data, **keywords)


def assert_same_posterior(one, other, scale=1.0):
    ours, theirs = posterior_arrays(one), posterior_arrays(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        for a, b in zip(ours[name], theirs[name], strict=True):
            np.testing.assert_array_equal(a if name == "nu" else a * scale, b)


def posterior_arrays(model):
    posterior = model._posterior
    return {
        "kappa": [posterior.draws.kappa],
        "delta": [np.asarray(effects) for effects in posterior.draws.delta],
        "tau": posterior.tau,
        **{name: [values] for name, values in posterior.auxiliary.items()},
    }


# --- results --------------------------------------------------------------------------------------


def test_attributes(fitted, campaigns):
    predictors = [name for name in campaigns[0] if name not in set("/".join(GROUPS).split("/"))]
    assert fitted.groups_ == ("region", "region/country", "industry", "industry/vertical")
    assert fitted.coef_.shape == (len(predictors),)
    assert set(fitted.tau_) == set(fitted.groups_)
    assert all(list(tau) == ["Intercept", *predictors] for tau in fitted.tau_.values())
    assert fitted.sigma_ > 0 and fitted.nu_ > 1
    assert fitted.n_features_in_ == campaigns[0].shape[1]
    np.testing.assert_array_equal(fitted.feature_names_in_, campaigns[0].columns)
    assert fitted.diagnostics_.converged
    assert fitted.diagnostics_.rhat_excess <= 1
    assert fitted.diagnostics_.n_divergent == 0


def test_predicts_better_than_the_mean_and_like_its_own_coefficients(fitted, campaigns):
    assert fitted.score(campaigns[0], campaigns[1]) > 0.3
    beta = fitted.coefficients(campaigns[0]).pivot_table(
        index=["region", "country", "industry", "vertical"],
        columns="coefficient",
        values="mean",
        sort=False,
    )
    by_row = beta.loc[list(map(tuple, campaigns[0][beta.index.names].to_numpy()))]
    X = campaigns[0][[name for name in beta.columns if name != "Intercept"]]
    expected = by_row["Intercept"].to_numpy() + (by_row[X.columns].to_numpy() * X).sum(axis=1)
    np.testing.assert_allclose(fitted.predict(campaigns[0]), expected, rtol=1e-9, atol=1e-9)


def test_intervals_cover_and_nest(fitted, campaigns):
    y = campaigns[1].to_numpy()
    outcome = fitted.predict_interval(campaigns[0], coverage=0.8)
    mean = fitted.predict_interval(campaigns[0], coverage=0.8, kind="mean")
    inside = (outcome[:, 0] < y) & (y < outcome[:, 1])
    assert abs(inside.mean() - 0.8) < 4 * np.sqrt(0.8 * 0.2 / len(y))
    assert (outcome[:, 0] < mean[:, 0]).all() and (mean[:, 1] < outcome[:, 1]).all()
    quantiles = fitted.predict_quantiles(campaigns[0], [0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles[:, [0, 2]], outcome, rtol=1e-9)


def test_joint_draws_have_the_row_wise_moments(fitted, campaigns):
    X = campaigns[0].iloc[:20]
    draws = fitted.sample_y(X, n_samples=2000, kind="mean")
    error = draws.std(axis=1) / np.sqrt(min(2000, fitted.diagnostics_.min_ess_bulk))
    assert_near(draws.mean(axis=1), fitted.predict(X), error)
    assert fitted.sample_y(X, n_samples=3).shape == (20, 3)


def test_an_unseen_country_keeps_its_region(fitted, campaigns):
    X = campaigns[0].iloc[:1].assign(country="Atlantis")
    unknown = X.assign(region="Nowhere")
    effects = fitted.group_effects("region").set_index("level")
    region = effects.loc[[(X["region"].iloc[0],)]].set_index("coefficient")["mean"]
    x = np.r_[1.0, X[[name for name in region.index if name != "Intercept"]].to_numpy()[0]]
    difference = fitted.predict(X) - fitted.predict(unknown)
    np.testing.assert_allclose(difference, x @ region, rtol=1e-8)
    width = [np.ptp(fitted.predict_interval(rows)) for rows in (campaigns[0].iloc[:1], X, unknown)]
    assert width[0] < width[1] < width[2]


def test_missing_group_values_predict_like_new_levels(fitted, campaigns):
    X = campaigns[0].iloc[:1]
    new, missing = X.assign(country="Atlantis"), X.assign(country=None)
    np.testing.assert_array_equal(fitted.predict(new), fitted.predict(missing))


def test_without_groups_it_is_regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = 1 + X @ [2.0, -1.0] + 0.1 * rng.normal(size=200)
    model = HLMRegressor(random_state=0).fit(X, y)
    standard_error = 0.1 / np.sqrt(200)
    np.testing.assert_allclose(model.coef_, [2, -1], atol=5 * standard_error)
    np.testing.assert_allclose(model.intercept_, 1, atol=5 * standard_error)
    assert model.groups_ == () and model.group_effects().empty


def test_positions_equal_names(rows):
    X, y = rows
    named = quiet_fit(small(), X, y)
    at = {name: position for position, name in enumerate(X)}
    paths = [tuple(at[name] for name in path.split("/")) for path in GROUPS]
    positioned = quiet_fit(small(groups=paths), X, y)
    assert_same_posterior(named, positioned)


@pytest.mark.filterwarnings("ignore::skhlm.exceptions.IdentificationWarning")
def test_scalars_of_numpy_are_parameters(rows):
    X, y = rows[0][["country", "spend_1"]], rows[1]
    plain = {"groups": "country", "family": "normal", "fit_intercept": False, "autoscale": False}
    plain |= {"chains": 1, "iter_warmup": 50, "iter_sampling": 20, "adapt_delta": 0.75}
    plain |= {"max_treedepth": 8, "n_jobs": 1, "random_state": 3, "verbose": 0}
    types = {str: np.str_, bool: np.bool_, int: np.int64, float: np.float64}
    theirs = {name: types[type(value)](value) for name, value in plain.items()}
    one = quiet_fit(HLMRegressor(**plain), X, y)
    other = quiet_fit(clone(HLMRegressor(**theirs)), X, y)
    assert_same_posterior(one, other)
    assert other.get_params() == one.get_params()
    assert one._repr_html_()
    other.summary()
    assert_same_posterior(one, load(saved(other)))


def saved(model):
    file = BytesIO()
    save(model, file)
    return file


def test_a_search_over_an_array_of_values(rows):
    X, y = rows[0][["country", "spend_1"]], rows[1]
    grid = {
        "groups": np.array(["country"]),
        "varying": [("Intercept",), {"Intercept"}, np.array(["Intercept"])],
        "fit_intercept": np.array([True]),
        "family": np.array(["normal"]),
    }
    model = HLMRegressor(algorithm="map", iter_sampling=10, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 1
    assert type(load(saved(search.best_estimator_)).groups) is str


@pytest.mark.filterwarnings("ignore::skhlm.exceptions.IdentificationWarning")
def test_hierarchies_may_share_a_column(rows):
    X, y = rows
    model = quiet_fit(small(groups=["country", "region/country"]), X[["region", "country"]], y)
    levels = {"region": "region-1", "country": "Atlantis"}
    asked = model.coefficients(levels)
    assert asked[["region", "country"]].drop_duplicates().to_dict("records") == [levels]


@pytest.mark.parametrize(
    "ask",
    [
        dict,
        lambda levels: [levels],
        lambda levels: pd.DataFrame([levels]),
        pl.DataFrame,
        lambda levels: dict(enumerate(levels.values())),
    ],
    ids=["mapping", "list", "pandas", "polars", "positions"],
)
def test_coefficients_of_levels_asked_for_in_any_form(fitted, campaigns, ask):
    levels = campaigns[0].iloc[0][["region", "country", "industry", "vertical"]].to_dict()
    expected = fitted.coefficients().merge(pd.DataFrame([levels]))
    asked = fitted.coefficients(ask(levels))
    np.testing.assert_array_equal(asked["mean"], expected["mean"])
    missing = fitted.coefficients(ask(levels | {"country": None}))
    assert (missing["sd"] > asked["sd"]).all()


def test_coefficients_of_what_is_no_combination(fitted):
    with pytest.raises(TypeError, match=r"levels: got 'region-1'; give a mapping"):
        fitted.coefficients("region-1")


def test_only_groups_and_an_intercept(rows):
    X, y = rows
    model = quiet_fit(small(), X[["region", "country", "industry", "vertical"]], y)
    assert model.coef_.shape == (0,)
    assert set(model.group_effects()["coefficient"]) == {"Intercept"}


# --- invariances, bit for bit ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(rows):
    return quiet_fit(small(), *rows)


def test_same_seed_same_model_whatever_n_jobs(reference, rows):
    assert_same_posterior(reference, quiet_fit(small(n_jobs=1), *rows))


def test_other_seed_other_draws(reference, rows):
    other = quiet_fit(small(random_state=1), *rows)
    sigmas = (model._posterior.auxiliary["sigma"] for model in (reference, other))
    assert not np.array_equal(*sigmas)


def test_row_order(reference, rows):
    X, y = rows
    order = np.random.default_rng(0).permutation(len(y))
    assert_same_posterior(reference, quiet_fit(small(), X.iloc[order], y.iloc[order]))


@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_weights_are_repetition(rows, family):
    X, y = rows
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    weighted = quiet_fit(small(family=family), X, y, sample_weight=weight)
    index = np.repeat(np.arange(len(y)), weight)
    repeated = quiet_fit(small(family=family), X.iloc[index], y.iloc[index])
    assert_same_posterior(weighted, repeated)


def test_powers_of_two_change_units_only(reference, rows):
    X, y = rows
    predictor = reference._spec.labels.coefficients[1]
    assert_same_posterior(reference, quiet_fit(small(), X, y * 2.0**20), scale=2.0**20)
    scaled = quiet_fit(small(), X.assign(**{predictor: X[predictor] * 2.0**-30}), y)
    np.testing.assert_array_equal(reference.coef_[0] * 2.0**30, scaled.coef_[0])
    np.testing.assert_array_equal(reference.coef_[1:], scaled.coef_[1:])
    assert reference.intercept_ == scaled.intercept_


def test_a_row_is_predicted_alike_in_any_batch(fitted, campaigns):
    X = campaigns[0]
    for predict in (fitted.predict, fitted.predict_interval):
        together = predict(X)
        alone = np.concatenate([predict(X.iloc[[i]]) for i in range(20)])
        np.testing.assert_array_equal(together[:20], alone)
        np.testing.assert_array_equal(together[::-1], predict(X.iloc[::-1]))


# --- scikit-learn ---------------------------------------------------------------------------------


def test_cross_validates_in_a_pipeline(rows):
    model = make_pipeline("passthrough", small(unseen="population"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = cross_val_score(model, *rows, cv=2)
    assert (scores > 0).all()


def test_clone_forgets_the_fit(fitted):
    with pytest.raises(NotFittedError):
        clone(fitted).predict([[0.0]])


def test_pickle_predicts_where_there_is_neither_cmdstanpy_nor_a_program(
    fitted, campaigns, tmp_path
):
    stored = pickle.dumps(fitted)
    assert b"cmdstan" not in stored and b"/tmp" not in stored
    numbers = sum(array.nbytes for arrays in posterior_arrays(fitted).values() for array in arrays)
    assert len(stored) < 1.2 * numbers + 500_000
    (tmp_path / "model.pkl").write_bytes(stored)
    campaigns[0].to_pickle(tmp_path / "X.pkl")
    np.save(tmp_path / "expected.npy", fitted.predict_interval(campaigns[0]))
    script = """
import pickle, sys
sys.modules["cmdstanpy"] = None
def forbid(event, _):
    if event in ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn"):
        raise RuntimeError(event)
import numpy, pandas, sklearn, skhlm
sys.addaudithook(forbid)
model = pickle.load(open("model.pkl", "rb"))
X = pandas.read_pickle("X.pkl")
numpy.testing.assert_array_equal(model.predict_interval(X), numpy.load("expected.npy"))
model.predict(X, return_std=True), model.sample_y(X), model.group_effects(), model.summary()
"""
    package = Path(sys.modules["skhlm"].__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, env={"PYTHONPATH": str(package)}
    )


# --- manners --------------------------------------------------------------------------------------


def test_silent_and_traceless(rows, temporary, capfd, recwarn):
    environment, level = dict(os.environ), logging.getLogger().level
    HLMRegressor(GROUPS, random_state=0).fit(*rows)
    assert capfd.readouterr() == ("", "")
    assert not [w for w in recwarn if issubclass(w.category, ConvergenceWarning)]
    assert dict(os.environ) == environment
    assert logging.getLogger().level == level
    assert not [path for path in temporary.iterdir() if path.name.startswith("skhlm-")]


def test_too_few_draws_warn_once_with_numbers(rows):
    with pytest.warns(ConvergenceWarning, match=r"sample size is \d+ for .* at least 200") as found:
        small(iter_sampling=20).fit(*rows)
    assert [warning.filename for warning in found] == [__file__]


@pytest.mark.parametrize("seed", [0, 1])
def test_diagnoses_the_draws_that_it_keeps(rows, seed):
    model = quiet_fit(small(random_state=seed, chains=4, iter_sampling=100), *rows)
    chains = model._posterior.auxiliary["sigma"].reshape(4, -1)
    assert chains.shape[1] == model.diagnostics_.n_draws
    assert model.summary()["ess_bulk"].min() >= 0.5 * model.diagnostics_.min_ess_bulk


def test_threads_are_as_silent(rows, capfd):
    environment, logger = dict(os.environ), logging.getLogger("cmdstanpy")
    disabled = logger.disabled
    models = [small(random_state=seed, n_jobs=1) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        list(pool.map(lambda model: model.fit(*rows), models))
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == environment
    assert logger.disabled == disabled
    assert_same_posterior(models[0], quiet_fit(small(), *rows))


def test_a_failed_fit_changes_nothing(rows):
    X, y = rows
    model = quiet_fit(small(), X, y)
    before = vars(model).copy()
    model.set_params(groups="region/country")
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X[["region", "country"]], y.where(y > y.min()))
    assert vars(model) == before | {"groups": "region/country"}


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "parameters", "message"),
    [
        ({}, {"groups": "planet"}, r"no column 'planet' in X"),
        ({}, {"groups": ["region", "region/country"]}, r"'region' is listed twice"),
        ({}, {"priors": {"sigma": Gamma(2, 1)}}, r"prior of sigma"),
        ({}, {"priors": {"tua": Normal(0, 1)}}, r"no parameter 'tua'.*'tau'"),
        ({}, {"chains": 0}, r"'chains' parameter"),
        ({}, {"varying": ["sped"]}, r"sped"),
        ({"country": None}, {}, r"'country': 200"),
        ({"extra": "a"}, {}, r"'extra'.*OneHotEncoder"),
        ({"extra": np.nan}, {}, r"NaN"),
        ({"extra": np.inf}, {}, r"infinity"),
    ],
)
def test_bad_input_is_named_before_stan_starts(rows, temporary, change, parameters, message):
    X, y = rows
    with pytest.raises((ValueError, TypeError), match=message):
        small(**parameters).fit(X.assign(**change), y)
    assert not list(temporary.iterdir())


def test_duplicated_column_names(rows):
    X, y = rows
    with pytest.raises(ValueError, match=r"several columns of the same name: 'region'"):
        small().fit(pd.concat([X, X[["region"]]], axis=1), y)


def test_no_rows(rows):
    X, y = rows
    with pytest.raises(ValueError, match=r"0 sample"):
        small().fit(X.iloc[:0], y.iloc[:0])


def test_wrong_columns_at_predict(fitted, campaigns):
    X = campaigns[0]
    with pytest.raises(ValueError, match=r"feature names should match"):
        fitted.predict(X.drop(columns="country"))
    with pytest.raises(ValueError, match=r"same order"):
        fitted.predict(X[X.columns[::-1]])


def test_unseen_error(rows):
    X, y = rows
    model = quiet_fit(small(unseen="error"), X, y)
    model.predict(X)
    with pytest.raises(ValueError, match=r"'region/country'.*Atlantis"):
        model.predict(X.assign(country="Atlantis"))


@pytest.mark.parametrize("coverage", [0, 1, -0.1, "wide"])
def test_bad_coverage(fitted, campaigns, coverage):
    with pytest.raises(ValueError, match=r"'coverage' parameter of HLMRegressor\."):
        fitted.predict_interval(campaigns[0], coverage=coverage)


def test_what_prediction_does_with_new_levels_is_checked_when_it_predicts(fitted, campaigns):
    X, _ = campaigns
    changed = copy(fitted).set_params(unseen="raise")
    with pytest.raises(ValueError, match=r"'unseen' parameter of HLMRegressor must be.*'error'"):
        changed.predict(X[:1])
    with pytest.raises(ValueError, match="The 'unseen' parameter"):
        changed.predict_interval(X[:1])
    changed.set_params(unseen="error").predict(X[:1])


def test_what_cannot_be_identified_is_said_once_and_before_sampling(rows, monkeypatch):
    X = rows[0][["region", "spend_1"]].assign(again=rows[0]["spend_1"])
    model = small(groups="region", iter_sampling=10)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, rows[1])
    assert [w.category for w in caught] == [IdentificationWarning, ConvergenceWarning]
    assert {w.filename for w in caught} == {__file__}
    said = ["linearly dependent" in str(w.message) for w in caught]
    assert said == [True, False]
    assert any("linearly dependent" in message for message in model.diagnostics_.messages)
    monkeypatch.setattr("skhlm.estimator.infer", None)
    with (
        pytest.warns(IdentificationWarning, match="linearly dependent"),
        pytest.raises(TypeError, match="not callable"),
    ):
        model.fit(X, rows[1])


def test_values_of_groups_are_refused_without_being_printed(rows):
    with pytest.raises(TypeError, match="groups: got a Series") as caught:
        HLMRegressor(rows[0]["region"]).fit(*rows)
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match="'groups' parameter of HLMRegressor must be") as caught:
        HLMRegressor(2.5).fit(*rows)
    assert "array-like" not in str(caught.value)


def test_quantiles_are_the_median_and_the_ends_of_the_interval_by_default(fitted, campaigns):
    X, _ = campaigns
    found = fitted.predict_quantiles(X[:5])
    np.testing.assert_allclose(found[:, [0, 2]], fitted.predict_interval(X[:5]), rtol=1e-12)
    np.testing.assert_array_equal(found[:, 1], fitted.predict_quantiles(X[:5], 0.5)[:, 0])


def test_levels_spelt_otherwise_are_warned_of_at_the_line_that_predicts(fitted, campaigns):
    X, _ = campaigns
    known = X[:3].assign(country=X["country"][:3].str.upper())
    with pytest.warns(UserWarning, match="case, white space or Unicode form alone") as caught:
        predicted = fitted.predict(known)
    assert [warning.filename for warning in caught] == [__file__]
    new = fitted.predict(X[:3].assign(country="Atlantis"))  # as whole groups that are held out
    np.testing.assert_array_equal(predicted, new)


# --- families behind a link, and the exposure -----------------------------------------------------

LINKED = {
    "binomial": lambda rng, mu: rng.binomial(6, mu / (1 + mu)) / 6,
    "poisson": lambda rng, mu: rng.poisson(mu).astype(float),
    "negative_binomial": lambda rng, mu: rng.negative_binomial(4, 4 / (4 + mu)).astype(float),
    "gamma": lambda rng, mu: rng.gamma(4, mu / 4),
}
OWN = {"negative_binomial": {"overdispersion_"}, "gamma": {"cv_"}}  # both 1/2 here
COUNTED = [name for name in LINKED if name != "binomial"]


@pytest.fixture
def visits():
    """Rows of 20 shops, their exposure, and expected outcomes per exposure."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.arange(800) % 20, "price": rng.normal(size=800)})
    X["days"] = rng.uniform(0.5, 8, 800)
    return X, np.exp(0.6 * rng.normal(size=20)[X["shop"]] + 0.5 - 0.4 * X["price"]), rng


def fit_visits(X, y, family, weight=None, **parameters):
    given = {"varying": "intercept", "chains": 2, "iter_sampling": 300, "random_state": 0}
    return quiet_fit(HLMRegressor("shop", family=family, **(given | parameters)), X, y, weight)


@pytest.mark.parametrize("family", LINKED)
def test_each_family_finds_what_made_its_data(visits, family):
    X, mean, rng = visits
    exposure = None if family == "binomial" else "days"
    weight = np.full(len(X), 6.0) if family == "binomial" else None
    X = X if exposure else X.drop(columns="days")
    y = LINKED[family](rng, mean * (X["days"] if exposure else 1))
    model = fit_visits(X, y, family, weight, exposure=exposure)
    assert model.diagnostics_.n_divergent == 0
    draws = model._posterior
    assert_near(model.coef_, [-0.4], draws.draws.kappa[1].std())
    own = {name for name in ("sigma_", "nu_", "overdispersion_", "cv_") if hasattr(model, name)}
    assert own == OWN.get(family, set())
    for name in own:
        assert_near(getattr(model, name), 0.5, draws.auxiliary[name[:-1]].std())


@pytest.mark.parametrize("family", COUNTED)
def test_predictions_are_proportional_to_the_exposure(visits, family):
    X, mean, rng = visits
    model = fit_visits(X, LINKED[family](rng, mean * X["days"]), family, exposure="days")
    new = X.assign(shop=X["shop"].where(X["shop"] > 2, 77))
    twice = model.predict(new.assign(days=2 * new["days"]))
    np.testing.assert_allclose(twice, 2 * model.predict(new), rtol=1e-12)


def test_counts_of_intervals_are_those_of_all_of_them_together(visits):
    """Poisson counts of rows alike but for their exposure say no more than their sum."""
    X, mean, rng = visits
    halves = pd.concat([X.assign(days=X["days"] / 4), X.assign(days=X["days"] * 3 / 4)])
    y = rng.poisson(np.tile(mean, 2) * halves["days"]).astype(float)
    apart = fit_visits(halves, y, "poisson", exposure="days")
    together = fit_visits(X, y[:800] + y[800:], "poisson", exposure="days")
    np.testing.assert_allclose(apart._spec.units.y_center, together._spec.units.y_center)
    error = together._posterior.draws.kappa.std(axis=1) / np.sqrt(100)
    assert_near(apart._posterior.draws.kappa.mean(axis=1), apart._posterior.mean.kappa[:, 0], 1e-9)
    assert_near(apart.coef_, together.coef_, np.sqrt(2) * error[1])


def test_the_unit_of_the_exposure_is_in_the_intercept_alone(visits):
    X, mean, rng = visits
    y = LINKED["poisson"](rng, mean * X["days"])
    days = fit_visits(X, y, "poisson", exposure="days")
    hours = fit_visits(X.assign(days=X["days"] * 32), y, "poisson", exposure="days")
    error = np.sqrt(2) * days._posterior.draws.kappa.std(axis=1) / np.sqrt(100)
    assert_near(hours.intercept_ + np.log(32), days.intercept_, error[0])
    assert_near(hours.coef_, days.coef_, error[1])


def test_exposures_by_position_name_and_in_another_order(visits):
    X, mean, rng = visits
    y = LINKED["poisson"](rng, mean * X["days"])
    named = fit_visits(X, y, "poisson", exposure="days")
    assert_same_posterior(named, fit_visits(X, y, "poisson", exposure=2))
    other = fit_visits(X[["days", "price", "shop"]], y, "poisson", exposure="days")
    assert_same_posterior(named, other)
    assert named.n_features_in_ == 3 and named.coef_.shape == (1,)
    assert "days" not in set(named.summary().astype(str).to_numpy().ravel())


def test_rows_of_trials_are_rows_of_yes_and_no(visits):
    X, mean, rng = visits
    X, p = X.drop(columns="days"), mean / (1 + mean)
    k = rng.binomial(6, p)
    rows = fit_visits(X, k / 6, "binomial", np.full(800, 6.0))
    index = np.repeat(np.arange(800), 6)
    yes = (np.tile(np.arange(6), 800) < k[index]) * 1.0
    singly = fit_visits(X.iloc[index], yes, "binomial")
    assert_same_posterior(singly, rows)
    np.testing.assert_array_equal(singly.predict(X), rows.predict(X))


def test_a_refit_leaves_nothing_of_another_family(visits):
    X, mean, rng = visits
    y = LINKED["poisson"](rng, mean)
    model = fit_visits(X, y, "negative_binomial", algorithm="laplace")
    assert hasattr(model, "overdispersion_") and not hasattr(model, "sigma_")
    quiet_fit(model.set_params(family="normal"), X, y)
    assert np.isinf(model.nu_) and model.sigma_ > 0 and not hasattr(model, "overdispersion_")
    quiet_fit(model.set_params(family="poisson"), X, y)
    assert not {"sigma_", "nu_", "overdispersion_", "cv_"} & set(vars(model))


@pytest.mark.parametrize("family", LINKED)
def test_a_warm_start_goes_on_behind_a_link(visits, family):
    X, mean, rng = visits
    exposure = None if family == "binomial" else "days"
    X = X if exposure else X.drop(columns="days")
    y = LINKED[family](rng, mean)
    weight = np.full(800, 6.0) if family == "binomial" else None
    first = fit_visits(
        X[:500],
        y[:500],
        family,
        weight if weight is None else weight[:500],
        exposure=exposure,
        warm_start=True,
    )
    quiet_fit(first, X, y, weight)
    cold = fit_visits(X, y, family, weight, exposure=exposure)
    error = cold._posterior.draws.kappa[1].std() / np.sqrt(100)
    assert_near(first.coef_, cold.coef_, np.sqrt(2) * error)
    request = first._fit
    quiet_fit(first, X, y, weight)
    assert first._fit is request


def test_a_warm_start_of_another_family_or_exposure_is_a_cold_one(visits):
    X, mean, rng = visits
    y = LINKED["poisson"](rng, mean * X["days"])
    cold = fit_visits(X, y, "poisson", exposure="days")
    warm = fit_visits(X, y, "negative_binomial", exposure="days", warm_start=True)
    quiet_fit(warm.set_params(family="poisson"), X, y)
    assert_same_posterior(warm, cold)
    quiet_fit(warm.set_params(exposure=None), X, y)
    quiet_fit(warm.set_params(exposure="days"), X, y)
    assert_same_posterior(warm, cold)


def test_a_curve_may_lack_the_exposure_which_is_then_the_mean_of_fit(visits):
    X, mean, rng = visits
    model = fit_visits(X, LINKED["poisson"](rng, mean * X["days"]), "poisson", exposure="days")
    given = pd.DataFrame({"shop": [3], "days": [X["days"].mean()]})
    ours = model.response_curve(given.drop(columns="days"), "price")
    theirs = model.response_curve(given, "price")
    np.testing.assert_allclose(ours["mean"], theirs["mean"], rtol=1e-12)
    with pytest.raises(ValueError, match=r"'days' is the exposure.*no curve to learn"):
        model.response_curve(feature="days")


def test_a_search_over_families(visits):
    X, mean, rng = visits
    y = LINKED["poisson"](rng, 4 * mean)
    model = HLMRegressor("shop", algorithm="map", iter_sampling=50, random_state=0)
    grid = {"family": ["normal", "poisson", "negative_binomial"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_["family"] != "normal"
    assert (search.cv_results_["mean_test_score"] > 0.3).all()


# --- priors in one word ---------------------------------------------------------------------------


def three_regions(name: str):
    """Rows of three regions with outcomes of a family."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"region": np.arange(60) % 3, "x": rng.normal(size=60)})
    eta = 0.3 * X["x"] + np.array([-0.5, 0.0, 0.6])[X["region"]]
    aux = {parameter.name: np.full(1, 0.7) for parameter in AUXILIARY.values()} | {"nu": 5.0}
    return X, FAMILIES[name].draw(eta.to_numpy(), aux, rng)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of so few draws
def test_weakly_informative_is_the_model_of_these_priors(name):
    X, y = three_regions(name)
    family, short = FAMILIES[name], {"iter_sampling": 20, "chains": 1, "random_state": 0}
    own = {"sigma": StudentT(3, 0, 1)} if "sigma" in parameters_of(family) else {}
    said = {"kappa": Normal(0, 2.5), "tau": Normal(0, 1), **own}
    doors = [partial(HLMRegressor, family=name), *[HLMClassifier] * family.is_binary]
    for door in doors:
        word, same = (
            door("region", priors=priors, **short).fit(X, y)
            for priors in ("weakly_informative", said)
        )
        np.testing.assert_array_equal(word._posterior.draws.kappa, same._posterior.draws.kappa)
        assert clone(word).priors == "weakly_informative"
        again = word.prior_predictive(X, n_samples=3)
        np.testing.assert_array_equal(again, same.prior_predictive(X, n_samples=3))


@pytest.mark.filterwarnings("ignore:algorithm='map' did not come close")
def test_priors_in_one_word_are_a_parameter_to_search_over():
    X, y = three_regions("normal")
    words = ["default", "weakly_informative"]
    model = HLMRegressor("region", family="normal", algorithm="map", random_state=0)
    search = GridSearchCV(model, {"priors": [None, *words]}, cv=2, error_score="raise").fit(X, y)
    none, default, weak = search.cv_results_["mean_test_score"]
    assert none == default != weak


@pytest.mark.parametrize("autoscale", [True, False])
def test_a_word_that_is_none_says_which_there_are(autoscale):
    X, y = three_regions("normal")
    model = HLMRegressor("region", autoscale=autoscale).set_params(priors="weak")
    with pytest.raises(ValueError, match=r"no 'weak'. In one word it is 'default' or 'weakly_inf"):
        model.fit(X, y)
    if not autoscale:
        with pytest.raises(ValueError, match="in units of sd"):
            model.set_params(priors="weakly_informative").fit(X, y)
