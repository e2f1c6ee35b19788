"""A fitted model tells what was fitted, whatever parameters are set afterwards."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from skhlm import HLMRegressor, ShrinkageDisplay, TraceDisplay, load, save
from skhlm.html_report.words import in_symbols, in_words, priors_in_words
from skhlm.priors import Cauchy, Normal

OTHERS = {
    "groups": None,
    "varying": "intercept",
    "family": "student_t",
    "covariance": "diagonal",
    "fit_intercept": False,
    "autoscale": False,
    "priors": {"tau": {"price": Normal(0, 1)}},  # of a predictor that there is not
    "algorithm": "advi",
    "chains": 7,
    "iter_sampling": 11,
    "random_state": 5,
}


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(5, 1, 60), "g": rng.integers(0, 6, 60)})
    return X, X["x"] + X["g"] + rng.normal(size=60)


@pytest.fixture
def model(rows):
    """The mode of a model with settings of its own."""
    return fit(*rows)


def fit(X, y, **parameters):
    settings = {
        "family": "normal",
        "covariance": "full",
        "priors": {"tau": Normal(0, 0.3), "kappa": {"x": Cauchy(0, 2)}},
        "algorithm": "map",
        "iter_sampling": 50,
        "random_state": 0,
        **parameters,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return HLMRegressor("g", **settings).fit(X, y)


def told(model, X, path):
    """All that a model says of itself and of rows, as text and arrays."""
    model.report(path)
    text = [*in_words(model), in_symbols(model), *priors_in_words(model), str(model.diagnostics_)]
    frames = [
        model.summary(),
        model.coefficients(),
        model.group_effects(),
        model.shrinkage_factors(),
        model.interval_budget(X),
        model.response_curve(X.iloc[:3], "x"),
        model.diagnose(),
    ]
    arrays = [
        *model.predict(X, return_std=True),
        model.predict_interval(X),
        model.sample_y(X, 4),
        model.prior_predictive(X, n_samples=20),
        model.coef_,
    ]
    return [*text, Path(path).read_text("utf-8")], frames, arrays


def assert_same(one, other):
    assert one[0] == other[0]
    for ours, theirs in zip(one[1], other[1], strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    for ours, theirs in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_is_told_does_not_depend_on_parameters_set_since(model, rows, tmp_path):
    X, _ = rows
    before = told(model, X, tmp_path / "r.html")
    assert "Linear regression with normal residuals" in before[0][0]
    assert any("normal(0, 0.3)" in line for line in before[0])
    r2 = model.bayes_r2().draws
    model.set_params(**OTHERS)
    assert_same(before, told(model, X, tmp_path / "r.html"))
    np.testing.assert_array_equal(r2, model.bayes_r2().draws)
    assert ShrinkageDisplay.from_estimator(model).factor == "g"
    with pytest.raises(ValueError, match=r"no chains to compare: .*algorithm='map' are"):
        TraceDisplay.from_estimator(model)


@pytest.mark.parametrize("how", ["file", "pickle", "compact"])
def test_copies_tell_what_was_fitted_and_keep_what_was_set(model, rows, how, tmp_path):
    X, _ = rows
    before = told(model.compact(10**6), X, tmp_path / "r.html")
    model.set_params(**OTHERS | {"priors": {"sigma": Normal(0, 9)}})
    copy = copied(model, how)
    assert_same(before, told(copy, X, tmp_path / "r.html"))
    assert copy.get_params() == model.get_params()
    assert copied(copy, how)._spec.priors == {"tau": Normal(0, 0.3), "kappa": {"x": Cauchy(0, 2)}}


def copied(model, how):
    if how == "file":
        file = io.BytesIO()
        save(model, file)
        file.seek(0)
        return load(file)
    return pickle.loads(pickle.dumps(model)) if how == "pickle" else model.compact(10**6)


def test_a_fit_that_fails_leaves_the_last_as_it_was(model, rows, monkeypatch):
    X, y = rows
    before = dict(vars(model))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X.assign(z=1.0)[["z", "x", "g"]], y.where(y > y.min()))
    monkeypatch.setattr("skhlm.estimator.learn_level_data", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X.assign(w=np.arange(len(y)) % 7), y)  # after sampling
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())


def test_a_first_fit_that_fails_leaves_parameters_alone(rows):
    model = HLMRegressor("g", algorithm="map")
    with pytest.raises(ValueError, match="NaN"):
        model.fit(rows[0], rows[1] * np.nan)
    assert vars(model) == model.get_params()


def interrupted(*_):
    raise KeyboardInterrupt


def test_names_are_forgotten_with_the_fit_that_had_them(model, rows):
    X, y = rows
    assert list(model.feature_names_in_) == ["x", "g"]
    model.set_params(groups=1, priors=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X.to_numpy(), y)
    assert not hasattr(model, "feature_names_in_")
    assert model.predict(X.to_numpy()).shape == y.shape


@pytest.mark.parametrize("how", ["file", "pickle", "compact"])
def test_what_belongs_to_the_process_stays_there(rows, how):
    model = fit(*rows, algorithm="nuts", chains=2, iter_sampling=200)
    assert None not in vars(model._fit).values()
    left = vars(copied(model, how)._fit)
    gone = [name for name in left if left[name] is None]
    thinned = ["statistics"] if how == "compact" else []  # of which draw each was is not kept
    assert gone == [*thinned, "rows", "request", "seconds"]


def test_priors_that_are_changed_in_place_are_those_of_the_fit(rows):
    tau = {"g": {"x": Normal(0, 0.3)}}
    model = fit(*rows, priors=MappingProxyType({"tau": tau}))
    tau["g"]["x"] = Normal(0, 7)
    assert any("normal(0, 0.3) for x" in line for line in priors_in_words(model))


def test_the_next_fit_takes_what_was_set(model, rows):
    X, y = rows
    model.set_params(family="student_t", covariance="diagonal", priors=None)
    assert "normal residuals" in in_words(model)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert "Student-t residuals" in in_words(model)[0]
    assert any("Cauchy(0, 2.5)" in line for line in priors_in_words(model))


def test_priors_asked_for_with_an_outcome_are_those_set(model, rows):
    X, y = rows
    wide = model.set_params(priors={"kappa": Normal(0, 1e6)}).prior_predictive(X, y, kind="mean")
    narrow = model.prior_predictive(X, kind="mean")
    assert np.median(np.abs(wide - y.mean())) > 1000 * np.median(np.abs(narrow - y.mean()))


def test_unseen_acts_on_a_fitted_model(model, rows):
    X, _ = rows
    model.set_params(unseen="error")
    with pytest.raises(ValueError, match=r"99"):
        model.predict(X.assign(g=99))


def test_a_model_without_groups_says_how_it_was_fitted(rows):
    X, y = rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = HLMRegressor(algorithm="map", random_state=0).fit(X[["x"]], y)
    with pytest.raises(ValueError, match="it was fitted without grouping factors"):
        ShrinkageDisplay.from_estimator(model.set_params(groups="g"))
