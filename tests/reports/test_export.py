"""What ArviZ gets: names, shapes, and the same answers as ours."""

from __future__ import annotations

import importlib
import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import kstest, norm
from scipy.stats import t as student_t

from skhlm import HLMRegressor
from skhlm.posterior import prediction
from tests.chance import RATE


@pytest.fixture(scope="module", autouse=True)
def arviz():
    """ArviZ, imported by the process that needs it: it writes a note of the day when it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # versions before 1.0 announce 1.0
        return importlib.import_module("arviz")


@pytest.fixture(scope="module")
def data(fitted):
    return fitted.to_arviz()


@pytest.fixture(scope="module")
def correlated():
    """A small model with correlated effects, integer levels and a name that is taken."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.standard_normal(60), "draw": np.arange(60) % 6 + 300})
    X["site"] = np.where(X["draw"] % 2, "a/b", "c")
    y = X["x"] + rng.standard_normal(6)[np.arange(60) % 6] + 0.5 * rng.standard_normal(60)
    model = HLMRegressor(
        ["draw", "site"],
        varying={"site": "intercept"},
        family="normal",
        covariance="full",
        chains=2,
        iter_sampling=100,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y), X, y


def _names(group):
    return set(map(str, group.data_vars))


def test_groups_are_those_of_arviz(data):
    groups = {
        str(name).strip("/") for name in (data.groups() if callable(data.groups) else data.groups)
    }
    assert groups - {""} == {
        "posterior",
        "sample_stats",
        "log_likelihood",
        "posterior_predictive",
        "observed_data",
        "constant_data",
    }


def test_parameters_have_named_dimensions(data, fitted):
    posterior = data["posterior"]
    factors = [factor.replace("/", ":") for factor in fitted.groups_]
    names = {f"{what}_{factor}" for what in ("delta", "tau") for factor in factors}
    assert _names(posterior) == {"kappa", "sigma", "nu"} | names
    effects = posterior["delta_region:country"]
    assert effects.dims == ("chain", "draw", "region:country", "coefficient")
    assert effects.shape[:2] == (4, fitted.diagnostics_.n_draws)
    for row in fitted.group_effects("region/country").itertuples():
        place = {"region:country": "/".join(row.level), "coefficient": row.coefficient}
        assert_allclose(effects.sel(place).mean(), row.mean, rtol=1e-9)
        assert_allclose(effects.sel(place).std(), row.sd, rtol=1e-9)


def test_rhat_and_ess_agree_with_summary(data, fitted, arviz):
    ours = fitted.summary().set_index(["parameter", "factor", "coefficient"])
    names = ["kappa", "tau_region:country"]
    rhat = arviz.rhat(data, var_names=names)
    bulk = arviz.ess(data, var_names=names)
    tail = arviz.ess(data, var_names=names, method="tail", prob=(0.05, 0.95))
    for coefficient in fitted._spec.labels.coefficients:
        for name, key in zip(names, [("kappa", ""), ("tau", "region/country")], strict=True):
            row = ours.loc[(*key, coefficient)]
            for column, theirs in [("rhat", rhat), ("ess_bulk", bulk), ("ess_tail", tail)]:
                value = theirs[name].sel(coefficient=coefficient)
                assert_allclose(float(value), row[column], rtol=1e-8)


def test_arviz_summarises_it(data, arviz):
    summary = arviz.summary(data, var_names=["kappa", "sigma"])
    assert "kappa[Intercept]" in summary.index
    assert_allclose(
        float(summary.loc["sigma", "mean"]), float(data["posterior"]["sigma"].mean()), atol=0.1
    )


def assert_loo_agrees(model, data, arviz):
    """Exactly with the present smoothing of tails, whichever draws they are of.

    ArviZ before 1.0 smooths them a little differently, by hundredths of elpd's standard error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows with large k
        ours = model.loo()
        theirs = arviz.loo(data, reff=ours.r_eff)
    elpd = theirs["elpd_loo"] if hasattr(theirs, "elpd_loo") else theirs.elpd
    assert_allclose(ours.elpd, elpd, atol=0.1 * ours.se)
    log_likelihood = data["log_likelihood"]["y"].to_numpy()
    rows = log_likelihood.reshape(-1, log_likelihood.shape[-1]).T
    weights, k = array_stats.psislw(rows, r_eff=ours.r_eff)
    pointwise = logsumexp(weights + rows, axis=-1)
    assert_allclose(ours.elpd, pointwise.sum(), rtol=1e-7)
    assert_allclose(ours.se, np.sqrt(len(rows) * pointwise.var()), rtol=1e-7)
    assert_allclose(ours.pointwise["pareto_k"].max(), k.max(), rtol=1e-6)


def test_loo_agrees(data, fitted, arviz):
    assert_loo_agrees(fitted, data, arviz)


def test_statistics_are_the_samplers(data, fitted):
    statistics = data["sample_stats"]
    diagnostics = fitted.diagnostics_
    assert int(statistics["diverging"].sum()) == diagnostics.n_divergent
    assert int(statistics["n_steps"].sum()) == diagnostics.n_leapfrog
    assert int(statistics["reached_max_treedepth"].sum()) == diagnostics.n_max_treedepth
    assert_allclose(statistics["step_size"].isel(draw=0), diagnostics.step_size)
    energy = statistics["energy"].to_numpy()
    assert_allclose(np.square(np.diff(energy)).mean(1) / energy.var(1, ddof=1), diagnostics.e_bfmi)
    shape = (4, diagnostics.n_draws)
    assert statistics["acceptance_rate"].shape == statistics["tree_depth"].shape == shape


def test_rows_are_those_of_fit(data, campaigns):
    X, y = campaigns
    constant = data["constant_data"]
    table = pd.DataFrame(
        {
            "y": data["observed_data"]["y"].to_numpy(),
            "x": constant["X"].isel(predictor=0).to_numpy(),
            "level": constant["level_region:country"].to_numpy(),
        }
    )
    name = str(constant["predictor"].to_numpy()[0])
    expected = pd.DataFrame({"y": y, "x": X[name], "level": X["region"] + "/" + X["country"]})
    order = ["y", "x", "level"]
    pd.testing.assert_frame_equal(
        table.sort_values(order, ignore_index=True),
        expected.sort_values(order, ignore_index=True).astype({"level": table["level"].dtype}),
        check_dtype=False,
    )


def test_likelihood_and_predictions_are_those_of_each_draw(fitted, campaigns):
    X, y = campaigns
    few, y = X.iloc[:20], np.asarray(y)[:20]
    data = fitted.to_arviz(few, y)
    posterior = fitted._posterior
    predictors, codes, _ = fitted._rows(few)
    expected = np.empty((20, posterior.n_draws))
    for rows, values in prediction.draws_of_eta(posterior, predictors, codes):
        expected[rows] = values
    likelihood = data["log_likelihood"]["y"].to_numpy().reshape(-1, 20)
    sigma, nu = posterior.auxiliary["sigma"], posterior.auxiliary["nu"]
    exact = student_t.logpdf(y[:, None], nu, expected, sigma)
    assert_allclose(likelihood, exact.T, rtol=1e-9)
    drawn = data["posterior_predictive"]["y"].to_numpy().reshape(-1, 20).T
    uniform = student_t.cdf(drawn, nu, expected, sigma)
    assert kstest(uniform.ravel(), "uniform").pvalue > RATE
    assert_allclose(data["observed_data"]["y"], y)


def test_correlations_integers_and_taken_names(correlated):
    model = correlated[0]
    data = model.to_arviz()
    posterior = data["posterior"]
    assert posterior["delta_draw_"].dims == ("chain", "draw", "draw_", "coefficient")
    assert posterior["draw_"].to_numpy().tolist() == [300, 301, 302, 303, 304, 305]
    assert posterior["delta_site"].dims == ("chain", "draw", "site", "coefficient_site")
    assert posterior["site"].to_numpy().tolist() == ["a/b", "c"]
    assert "nu" not in posterior
    assert "omega_site" not in posterior
    omega = posterior["omega_draw_"].sel({"pair_draw_": "Intercept, x"})
    ours = model.summary().set_index("parameter").loc["omega"]
    assert_allclose(float(omega.mean()), ours["mean"])
    z = (data["posterior_predictive"]["y"] - data["observed_data"]["y"]) / posterior["sigma"]
    assert abs(float(z.mean())) < 0.2
    likelihood = data["log_likelihood"]["y"]
    assert likelihood.dims == ("chain", "draw", "row")
    assert float(likelihood.max()) <= norm.logpdf(0, scale=float(posterior["sigma"].min()))


def test_names_that_meet_are_told_apart():
    rng = np.random.default_rng(0)
    paths = [("a/b", "c"), ("a", "b/c"), ("a", "d")] * 10
    X = pd.DataFrame(paths, columns=["r", "s"]).assign(x=rng.normal(size=30), g=[1, 2] * 15)
    X["r:s"], X["delta_g"] = X["g"] * 10, list("pq") * 15
    model = HLMRegressor(
        ["r/s", "r:s", "g", "delta_g"],
        varying="intercept",
        family="normal",
        algorithm="map",
        iter_sampling=25,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, rng.normal(size=30))
    posterior = model.to_arviz()["posterior"]
    assert posterior["r:s"].to_numpy().tolist() == ["('a', 'b/c')", "a/d", "('a/b', 'c')"]
    assert posterior["delta_r:s"].shape[2:] == (3, 1)
    assert posterior["r:s_"].to_numpy().tolist() == [10, 20]
    assert posterior["delta_g"].dims[2] == "g"
    assert posterior["delta_delta_g_"].dims[2] == "delta_g_"
    effects = model.group_effects("r/s").set_index("level")["mean"]
    for level, name in [(("a/b", "c"), "('a/b', 'c')"), (("a", "b/c"), "('a', 'b/c')")]:
        ours = posterior["delta_r:s"].sel({"r:s": name}).mean()
        assert_allclose(float(ours), effects[[level]].item(), rtol=1e-6)


def test_unseen_levels_are_named(correlated):
    model, X, y = correlated
    data = model.to_arviz(X.assign(site="elsewhere"), y, log_likelihood=False)
    assert set(data["constant_data"]["level_site"].to_numpy()) == {"(not seen at fit)"}
    assert not hasattr(data, "log_likelihood")


def test_a_pickled_model_exports_its_parameters(correlated):
    model, X, y = correlated
    other = pickle.loads(pickle.dumps(model))
    data = other.to_arviz()
    assert hasattr(data, "posterior")
    assert hasattr(data, "sample_stats")
    assert not hasattr(data, "observed_data")
    again = other.to_arviz(X, y, posterior_predictive=False)
    total = float(again["log_likelihood"]["y"].sum())
    assert_allclose(total, float(model.to_arviz()["log_likelihood"]["y"].sum()))
    assert not hasattr(again, "posterior_predictive")


def test_the_base_of_arviz_is_enough(correlated, monkeypatch):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("arviz_base")
    monkeypatch.setitem(sys.modules, "arviz", None)
    data = correlated[0].to_arviz()
    assert isinstance(data, xarray.DataTree)
    assert _names(data["posterior"]) >= {"kappa", "sigma", "delta_site"}


def test_without_arviz_the_extra_is_named(correlated, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    monkeypatch.setitem(sys.modules, "arviz_base", None)
    with pytest.raises(ImportError, match=r"pip install 'skhlm\[arviz\]'"):
        correlated[0].to_arviz()


def test_it_is_written_and_read(correlated, tmp_path, arviz):
    pytest.importorskip("h5netcdf")  # no part of ArviZ 1
    data = correlated[0].to_arviz()
    data.to_netcdf(tmp_path / "model.nc")
    again = arviz.from_netcdf(tmp_path / "model.nc")
    np.testing.assert_array_equal(again["posterior"]["kappa"], data["posterior"]["kappa"])
