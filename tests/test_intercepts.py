"""An intercept far from the data: every report says the same of a name, and the name says where."""

from __future__ import annotations

import re
import warnings
from html import escape

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from skhlm import GroupEffectsDisplay, HLMRegressor, ShrinkageDisplay, TraceDisplay
from skhlm.numerics.convergence import convergence
from skhlm.reports import export
from tests.chance import assert_near

pytest.importorskip("matplotlib")
SAME = {"rtol": 1e-9}
THERE = "Intercept at the means"


@pytest.fixture(scope="module")
def years():
    """Shops in the years from 2000 on, with prices about 50."""
    rng = np.random.default_rng(0)
    shop = np.repeat(np.arange(6), 20)
    year, price = 2000.0 + rng.integers(0, 20, 120), rng.normal(50, 3, 120)
    slope = 0.5 + 0.05 * rng.normal(size=6)[shop]
    y = rng.normal(size=6)[shop] + slope * (year - 2010) + 0.2 * price + rng.normal(size=120)
    return pd.DataFrame({"shop": shop, "year": year, "price": price}), y


def fit(X, y, **parameters):
    """Few draws: what is tested holds for any."""
    settings = {"chains": 2, "iter_sampling": 60, "random_state": 0, **parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return HLMRegressor("shop", **settings).fit(X, y)


@pytest.fixture(scope="module")
def model(years):
    return fit(*years, covariance="full", family="normal")


@pytest.fixture(scope="module")
def parameters(model):
    """The summary by the parameters' names in one."""
    frame = model.summary()
    places = [
        ", ".join(part for part in (row.factor, row.coefficient) if part)
        for row in frame.itertuples()
    ]
    kinds = frame["parameter"]
    names = [f"{kind}[{at}]" if at else kind for kind, at in zip(kinds, places, strict=True)]
    return frame.set_index(pd.Index(names))


def test_chains_are_those_of_the_summary(model, parameters):
    display = TraceDisplay.from_estimator(model, ["kappa", "tau", "omega", "sigma"])
    assert display.parameters.tolist() == parameters.index.tolist()
    np.testing.assert_allclose(display.draws.mean((1, 2)), parameters["mean"], **SAME)
    np.testing.assert_allclose(display.draws.std((1, 2)), parameters["sd"], **SAME)
    found = convergence(np.moveaxis(display.draws, 0, -1))
    for column in ("rhat", "ess_bulk", "ess_tail"):
        np.testing.assert_allclose(getattr(found, column), parameters[column], **SAME)
    default = TraceDisplay.from_estimator(model)
    np.testing.assert_array_equal(default.draws, display.draws)


def test_attributes_are_those_of_the_summary(model, parameters):
    mean = parameters["mean"]
    assert abs(mean["kappa[Intercept]"]) > 100
    np.testing.assert_allclose(model.intercept_, mean["kappa[Intercept]"], **SAME)
    np.testing.assert_allclose(model.coef_, mean[["kappa[year]", "kappa[price]"]], **SAME)
    for coefficient, tau in model.tau_["shop"].items():
        np.testing.assert_allclose(tau, mean[f"tau[shop, {coefficient}]"], **SAME)


def test_effects_and_exports_are_those_of_the_summary(model, parameters):
    groups = export.Contents()
    export.add_parameters(groups, model._posterior, model._spec.labels)
    exported = {name: x.mean((0, 1)) for name, x in groups.arrays["posterior"].items()}
    for name in ("kappa", "tau", "omega", "sigma"):
        rows = parameters[parameters["parameter"] == name]
        found = exported[name if name in exported else f"{name}_shop"]
        np.testing.assert_allclose(np.ravel(found), rows["mean"], **SAME)
    effects = model.group_effects()
    error = effects["sd"] / np.sqrt(model._posterior.n_draws)  # of draws: the table's has none
    assert_near(exported["delta_shop"].ravel(), effects["mean"], error)
    display = TraceDisplay.from_estimator(model, "delta")
    np.testing.assert_allclose(display.draws.mean((1, 2)), exported["delta_shop"].ravel(), **SAME)
    parts = model.coefficients(parts=True).set_index(["part", "shop"])
    kappa = parts.loc[("kappa", 0)].set_index("coefficient")["mean"]
    np.testing.assert_allclose(kappa, parameters["mean"].iloc[:3], **SAME)
    delta = parts.loc["delta[shop]"]["mean"]
    np.testing.assert_allclose(delta, effects["mean"], **SAME)


def test_the_intercept_is_the_expected_value_where_its_name_says(model, years):
    X, _ = years
    means = X[["year", "price"]].mean()
    somewhere = pd.DataFrame({"shop": [-1, -1], "year": [0.0, means["year"]]})
    at_zero, at_means = model.predict(somewhere.assign(price=[0.0, means["price"]]))
    np.testing.assert_allclose(model.intercept_, at_zero, **SAME)
    pooling = model.shrinkage_factors().set_index("coefficient")
    np.testing.assert_allclose(pooling.loc[THERE, "complete_pooling"], at_means, **SAME)
    display = TraceDisplay.from_estimator(model, f"kappa[{THERE}]")
    np.testing.assert_allclose(display.draws.mean(), at_means, **SAME)
    assert "Intercept" not in pooling.index


def test_what_the_diagnostics_name_can_be_drawn_and_is_what_they_judged(model):
    names = [f"kappa[{THERE}]", f"tau[shop, {THERE}]", f"omega[shop, {THERE}, year]"]
    names += [f"delta[shop, {shop}, {THERE}]" for shop in range(6)]
    reported = ["kappa", "tau", "omega", "delta", "sigma"]
    draws = TraceDisplay.from_estimator(model, [*names, *reported]).draws
    posterior = model._posterior
    np.testing.assert_allclose(draws[1].ravel(), posterior.tau[0][0], **SAME)
    np.testing.assert_allclose(draws[2].ravel(), posterior.omega[0][1, 0], atol=1e-12)
    worst = model.diagnostics_.worst_parameter
    judged = TraceDisplay.from_estimator(model, worst).draws
    rhat = convergence(np.moveaxis(judged, 0, -1)).rhat
    # The two draws beside the median are equally far from it up to rounding, and may change ranks:
    # with 120 draws that changes R-hat by some thousandths.
    (check,) = [check for check in model.diagnostics_.checks if check.name == "R-hat"]
    np.testing.assert_allclose(rhat, check.value, atol=1e-2)


def test_titles_say_where(model):
    titles = [axes.get_title() for axes in TraceDisplay.from_estimator(model, "kappa").axes_]
    assert titles == ["kappa[Intercept at x = 0]", "kappa[year]", "kappa[price]"]
    there = TraceDisplay.from_estimator(model, f"tau[shop, {THERE}]", kind="trace")
    assert there.ax_.get_title().replace("\n", " ") == f"tau[shop, {THERE}]"
    assert there.ax_.get_ylabel().replace("\n", " ") == "value, in units of the data"
    effects = GroupEffectsDisplay.from_estimator(model, sort_by="Intercept")
    assert effects.axes_[0].get_title().replace("\n", " ") == "effect on Intercept at x = 0"
    assert "x = 0" in effects.axes_[0].get_title()
    pooling = ShrinkageDisplay.from_estimator(model)
    assert pooling.axes_[0].get_title() == THERE
    assert pooling.axes_[0].get_xlabel() == "outcome"
    for display in (effects, pooling):
        assert display.axes_[1].get_xlabel() == "outcome\nper unit of year"


def test_the_report_says_the_same_and_where(model, parameters, tmp_path):
    model.report(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    rows = dict(re.findall(r"<tr><td>kappa</td><td></td><td>(\w+)</td><td[^>]*>([^<]*)<", page))
    expected = parameters["mean"].iloc[:3]
    assert rows == {
        name: f"{mean:.4g}"
        for name, mean in zip(["Intercept", "year", "price"], expected, strict=True)
    }
    where = '"Intercept", its effects, tau and correlations are at x = 0, where every '
    assert page.count(escape(where)) == 4  # model, parameters, shrinkage, group effects
    shrinkage = page[page.index('<section id="shrinkage">') : page.index('id="group-effects"')]
    assert f"<td>{THERE}</td>" in shrinkage and "<td>Intercept</td>" not in shrinkage
    assert f"for {THERE}, year, price" in page


@pytest.mark.parametrize("how", ["raw", "standardised", "no predictor"])
def test_there_is_one_intercept_where_the_model_is_fitted_at_zero(years, how):
    X, y = years
    columns = X[["year", "price"]]
    X = {
        "raw": X.assign(year=X["year"] - 2010, price=X["price"] / 50),
        "standardised": X.assign(**(columns - columns.mean()) / columns.std()),
        "no predictor": X[["shop"]],
    }[how]
    model = fit(X, y, algorithm="map", autoscale=how != "raw")
    assert THERE not in set(model.shrinkage_factors()["coefficient"])
    assert model._spec.labels.titles is model._spec.labels is model._spec.labels.where_fitted


def test_a_predictor_cannot_be_called_as_an_intercept_is(years):
    X, y = years
    for name in ("Intercept", THERE):
        with pytest.raises(ValueError, match=f"A predictor is called '{name}'"):
            fit(X.rename(columns={"year": name}), y)
