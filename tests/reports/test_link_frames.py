"""Tables of models with a link: on its scale, with ratios; where the variance comes from."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.posterior import NEW, at_zero, prediction
from skhlm.reports.budget import shares_of, variance_parts
from skhlm.reports.parameters import where_in_words
from tests.link_models import amounts, classifier, counts, shops
from tests.posterior.link_posteriors import CURVED, make_posterior, make_rows
from tests.posterior.test_link_predictions import eta_and_variance, over_new

MODELS = [(classifier, "odds_ratio"), (counts, "rate_ratio"), (amounts, "rate_ratio")]


@pytest.mark.parametrize(("model", "ratio"), MODELS)
def test_ratios_are_exp_of_medians_and_ends(model, ratio):
    model = model()
    summary = model.summary().set_index("parameter")
    kappa = summary.loc["kappa"]
    for name, column in (("", "q50"), ("_lower", "q05"), ("_upper", "q95")):
        np.testing.assert_allclose(kappa[ratio + name], np.exp(kappa[column]), rtol=1e-12)
        assert summary.drop("kappa")[ratio + name].isna().all()
    effects = model.group_effects(model.groups_[-1], coverage=0.8)
    draws = np.exp(at_zero.delta(model._posterior, len(model.groups_) - 1))
    draws = draws.reshape(-1, draws.shape[-1])
    names = [ratio, f"{ratio}_lower", f"{ratio}_upper"]
    expected = np.quantile(draws, [0.5, 0.1, 0.9], axis=1)
    np.testing.assert_allclose(effects[names].T, expected, rtol=1e-2)  # between two draws
    np.testing.assert_allclose(effects[f"{ratio}_lower"], np.exp(effects["lower"]), rtol=1e-12)
    beta = model.coefficients(parts=True)
    assert list(beta.columns[-7:]) == ["mean", "sd", "lower", "upper", *names]
    np.testing.assert_allclose(beta[f"{ratio}_upper"], np.exp(beta["upper"]), rtol=1e-12)
    inside = beta[ratio].between(beta[f"{ratio}_lower"], beta[f"{ratio}_upper"])
    assert inside.all()


def test_phi_stands_by_its_quantiles_beside_the_overdispersion():
    model = counts("negative_binomial")
    summary = model.summary().set_index("parameter")
    variation, phi = summary.loc["overdispersion"], summary.loc["phi"]
    draws = model._posterior.auxiliary["overdispersion"]
    np.testing.assert_allclose(phi["q50"], np.median(1 / draws**2))
    np.testing.assert_allclose(phi["q05"], variation["q95"] ** -2, rtol=1e-2)  # between two draws
    np.testing.assert_allclose(phi["ess_bulk"], variation["ess_bulk"], rtol=1e-6)  # of ranks
    assert phi["mean"] == phi["sd"] == np.inf
    assert "phi" not in amounts().summary()["parameter"].tolist()


def test_there_are_no_ratios_on_the_scale_of_the_outcome(fitted):
    frames = fitted.summary(), fitted.group_effects(), fitted.coefficients()
    assert not any(name.endswith("ratio") for frame in frames for name in frame)


def test_words_say_the_scale(fitted):
    for model, words in ((classifier, "log odds"), (counts, "log rate"), (amounts, "log mean")):
        model = model()
        said = where_in_words(model._spec.labels, model._posterior.family)
        assert f"on the scale of the {words}" in said
    plain = where_in_words(fitted._spec.labels, fitted._posterior.family)
    assert plain == where_in_words(fitted._spec.labels)
    assert "in the units of the data" in plain


@pytest.mark.parametrize("name", CURVED)
def test_parts_of_eta_add_up_to_its_variance(name):
    posterior = make_posterior(name)
    X, codes = make_rows(30)
    variance = variance_parts(posterior, X, codes)
    total = prediction.std_of_eta(posterior, X, codes) ** 2
    np.testing.assert_allclose(variance[:, :-1].sum(axis=1), total, rtol=1e-10)
    assert np.isnan(variance[:, -1]).all()


@pytest.mark.parametrize("name", CURVED)
def test_the_outcomes_own_share_is_by_the_law_of_total_variance(name):
    """1 - Var(E[y | eta]) / Var(y), both by quadrature."""
    posterior = make_posterior(name)
    X, codes = make_rows(20)
    codes[0] = [NEW, NEW]
    variance = variance_parts(posterior, X, codes)
    share = shares_of(posterior, X, codes, variance)
    np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-12)
    eta, spread = eta_and_variance(posterior, X, codes)
    link = posterior.family.link
    mean, square = (over_new(lambda e, p=p: link.inverse(e) ** p, eta, spread) for p in (1, 2))
    between = (square - mean**2) / prediction.predictive_std(posterior, X, codes) ** 2
    np.testing.assert_allclose(share[:, -1], 1 - between, rtol=1e-4)
    parts = variance[:, :-1] / variance[:, :-1].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(share[:, :-1], between[:, None] * parts, rtol=1e-3, atol=1e-5)


def test_budget_of_fitted_models():
    for model in (classifier(), counts()):
        X = shops()[list(model.feature_names_in_)].head(3).copy()
        X.loc[2, "shop"] = 99
        budget = model.interval_budget(X)
        of_eta = budget[budget["part"] != "residual"].groupby("row")["variance"].sum()
        _, std = model._posterior, model._rows(X)
        predictors, codes, _ = std
        expected = prediction.std_of_eta(model._posterior, predictors, codes) ** 2
        np.testing.assert_allclose(of_eta, expected, rtol=1e-9)
        np.testing.assert_allclose(budget.groupby("row")["share"].sum(), 1.0, rtol=1e-9)
        assert "new level" in budget["part"].tolist()
