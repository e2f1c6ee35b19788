"""What ArviZ gets of counts, amounts, shares, classes: scipy's likelihood, the same answers."""

from __future__ import annotations

import importlib
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit

from skhlm import HLMClassifier, HLMRegressor
from skhlm.posterior import prediction
from tests.chance import SHIFT, largest
from tests.reports.test_export import assert_loo_agrees

HOW = {"varying": "intercept", "chains": 2, "iter_sampling": 200, "random_state": 0}
N = 60
FITS = ["poisson", "negative_binomial", "gamma", "binomial", "classes"]


@pytest.fixture(scope="module", autouse=True)
def arviz():
    """ArviZ, as in the tests of other exports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return importlib.import_module("arviz")


@pytest.fixture(scope="module")
def table():
    """Rows of six shops, and outcomes of each kind."""
    rng = np.random.default_rng(SHIFT)
    shop = np.arange(N) % 6
    X = pd.DataFrame({"shop": shop, "x": rng.normal(size=N), "days": rng.uniform(1, 5, N)})
    eta = rng.normal(0, 0.5, 6)[shop] + 0.5 * X["x"]
    mean, trials = np.exp(eta) * X["days"], rng.integers(1, 8, N)
    outcomes = {
        "poisson": rng.poisson(mean),
        "negative_binomial": rng.poisson(mean * rng.gamma(2, 0.5, N)),
        "gamma": mean * rng.gamma(4, 0.25, N),
        "binomial": rng.binomial(trials, expit(eta)) / trials,
        "classes": np.where(rng.random(N) < expit(eta), "yes", "no"),
    }
    return X, outcomes, trials


@pytest.fixture(scope="module", params=FITS)
def case(request, table):
    """Name, model, and what it was fitted to."""
    X, outcomes, trials = table
    name = request.param
    given = X if name in FITS[:3] else X[["shop", "x"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of so few draws
        if name == "classes":
            model = HLMClassifier("shop", **HOW)
        else:
            exposure = "days" if given is X else None
            model = HLMRegressor("shop", family=name, exposure=exposure, **HOW)
        weight = trials if name == "binomial" else None
        model.fit(given, outcomes[name], weight)
    return name, model, (given, outcomes[name], weight)


def frozen(name, posterior, eta, trials):
    """scipy's distribution of the outcomes, (n, S)."""
    aux = posterior.auxiliary
    mean = np.exp(eta)
    if name == "negative_binomial":
        phi = aux["overdispersion"] ** -2
        return stats.nbinom(phi, phi / (phi + mean))
    if name == "gamma":
        shape = aux["cv"] ** -2
        return stats.gamma(shape, scale=mean / shape)
    if name == "poisson":
        return stats.poisson(mean)
    return stats.binom(trials, expit(eta))


def test_likelihood_is_scipys_and_replications_have_its_mean(case, table):
    name, model, (X, y, weight) = case
    data = model.to_arviz(X, y, weight, random_state=SHIFT)
    posterior = model._posterior
    predictors, codes, _ = model._rows(X)
    eta = np.empty((N, posterior.n_draws))
    for rows, values in prediction.draws_of_eta(posterior, predictors, codes):
        eta[rows] = values
    trials = table[2][:, None] if name == "binomial" else 1
    exact = frozen(name, posterior, eta, trials)
    observed = {"binomial": np.round(table[1]["binomial"] * table[2])}.get(name, y)
    observed = (y == "yes").astype(float) if name == "classes" else np.asarray(observed, float)
    assert_allclose(data["observed_data"]["y"], observed)
    density = exact.logpdf if name == "gamma" else exact.logpmf
    likelihood = data["log_likelihood"]["y"].to_numpy().reshape(-1, N).T
    assert_allclose(likelihood, density(observed[:, None]), rtol=1e-7, atol=1e-9)
    drawn = data["posterior_predictive"]["y"].to_numpy().reshape(-1, N).T
    z = (drawn - exact.mean()) / exact.std()
    assert abs(z.mean()) < largest(1) / np.sqrt(z.size)


def test_loo_agrees(case, arviz):
    """As `assert_loo_agrees` of other exports says."""
    _, model, _ = case
    assert_loo_agrees(model, model.to_arviz(posterior_predictive=False), arviz)


def test_what_stands_beside(case, table):
    name, model, (X, y, weight) = case
    data = model.to_arviz(X, y, weight, log_likelihood=False, posterior_predictive=False)
    constant = data["constant_data"]
    assert constant["X"].dims == ("row", "predictor")
    assert_allclose(constant["X"].to_numpy(), X[["x"]])
    assert ("exposure" in constant) == ("days" in X)
    if "days" in X:
        assert_allclose(constant["exposure"], X["days"])
    assert ("trials" in constant) == (name == "binomial")
    if name == "binomial":
        assert_allclose(constant["trials"], table[2])
    assert ("classes" in constant) == (name == "classes")
    if name == "classes":
        assert constant["classes"].sel(outcome=1).item() == "yes"
    own = {parameter.name for parameter in model._posterior.family.auxiliary}
    assert own == set(map(str, data["posterior"].data_vars)) - {"kappa", "delta_shop", "tau_shop"}


def test_shares_of_a_loaded_model_need_their_trials(case):
    name, model, (X, y, weight) = case
    again = pickle.loads(pickle.dumps(model))
    given = again.to_arviz(X, y, weight, posterior_predictive=False)
    kept = model.to_arviz(posterior_predictive=False)
    totals = [float(data["log_likelihood"]["y"].sum()) for data in (given, kept)]
    assert_allclose(*totals)
    if name == "binomial":
        with pytest.raises(ValueError, match="numbers of trials"):
            again.to_arviz(X, y)


def test_a_factor_keeps_its_name():
    """One that is called as what stands beside the rows."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"outcome": np.arange(40) % 4, "x": rng.normal(size=40)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = HLMClassifier("outcome", algorithm="map", iter_sampling=25, random_state=0)
        data = model.fit(X, rng.random(40) < 0.5).to_arviz()
    assert data["posterior"]["delta_outcome"].dims[2] == "outcome"
    assert data["constant_data"]["classes"].to_numpy().tolist() == ["False", "True"]
    assert data["constant_data"]["classes"].dims == ("outcome_",)
