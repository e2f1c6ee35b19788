"""Frames of the posterior: labels in the right places, numbers in the user's units at x = 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skhlm.inputs.design import Units
from skhlm.inputs.labels import Labels
from skhlm.numerics.convergence import convergence, ess_mean
from skhlm.posterior import NEW, Posterior, at_zero, prediction
from skhlm.reports.parameters import (
    coefficients,
    errors_of_means,
    group_effects,
    monte_carlo_errors,
    summary,
)
from tests.diagnostics.test_diagnostics import LABELS, make_draws
from tests.draws import posterior_of

UNITS = Units(True, 10.0, 3.0, np.array([5.0, -2.0]), np.array([2.0, 0.25]))
N = (np.array([3.0, 5.0]), np.array([3.0, 1.0, 4.0]))
MOMENTS = ["mean", "sd", "lower", "upper"]


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    """Two factors with full covariance: intercept and spend by region, and price by country."""
    return posterior_of(make_draws(), LABELS.varying, UNITS)


def row(frame: pd.DataFrame, **values: object) -> pd.Series:
    """The one row that has these values."""
    chosen = frame
    for column, value in values.items():
        chosen = chosen[[entry == value for entry in chosen[column]]]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_group_effects(posterior: Posterior) -> None:
    frame = group_effects(posterior, LABELS, N)
    assert list(frame.columns) == ["factor", "level", "coefficient", *MOMENTS, "n"]
    assert len(frame) == 2 * 2 + 3 * 2
    assert list(frame.index) == list(range(10))
    draws = make_draws().delta[1][:, :, 1].reshape(-1, 2)  # EMEA/France: intercept, price
    price = draws[:, 1] * 3.0 / 0.25
    found = row(frame, level=("EMEA", "France"), coefficient="price")
    assert (found["factor"], found["n"]) == ("region/country", 1)
    expected = [price.mean(), price.std(), *np.quantile(price, [0.05, 0.95])]
    np.testing.assert_allclose(found[MOMENTS].astype(float), expected, rtol=1e-10)
    intercept = draws[:, 0] * 3.0 - (-2.0) * price
    found = row(frame, level=("EMEA", "France"), coefficient="Intercept")
    expected = [intercept.mean(), intercept.std(), *np.quantile(intercept, [0.05, 0.95])]
    np.testing.assert_allclose(found[MOMENTS].astype(float), expected, rtol=1e-10)


def test_group_effects_of_one_factor(posterior: Posterior) -> None:
    whole = group_effects(posterior, LABELS, N, coverage=0.5)
    frame = group_effects(posterior, LABELS, N, "region/country", coverage=0.5)
    expected = whole[whole["factor"] == "region/country"].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame, expected)
    wide = group_effects(posterior, LABELS, N, "region/country")
    assert (wide["lower"] < frame["lower"]).all()
    with pytest.raises(ValueError, match=r"no grouping factor 'country'.*Did you mean"):
        group_effects(posterior, LABELS, N, "country")


def test_group_effects_do_not_depend_on_blocks(
    posterior: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = group_effects(posterior, LABELS, N)
    monkeypatch.setattr("skhlm.posterior.at_zero.BLOCK_BYTES", 1)
    pd.testing.assert_frame_equal(group_effects(posterior, LABELS, N), whole, check_exact=True)


def test_without_factors_there_are_no_effects() -> None:
    labels = replace(LABELS, factors=(), group_columns=(), levels=(), varying=())
    draws = replace(make_draws(), delta=(), tau=(), omega=())
    posterior = posterior_of(draws, (), UNITS)
    frame = group_effects(posterior, labels, ())
    assert frame.empty
    assert list(frame.columns) == ["factor", "level", "coefficient", *MOMENTS, "n"]
    frame = coefficients(posterior, labels, np.zeros((1, 0), dtype=np.int64))
    assert list(frame["coefficient"]) == ["Intercept", "spend", "price"]
    assert set(summary(posterior, labels)["parameter"]) == {"kappa", "sigma", "nu"}


def test_coefficients_of_levels_seen(posterior: Posterior) -> None:
    codes = np.array([[0, 0], [1, 1], [1, 2]])
    frame = coefficients(posterior, LABELS, codes)
    assert list(frame.columns) == ["region", "country", "coefficient", *MOMENTS]
    assert list(frame["country"]) == ["Japan"] * 3 + ["France"] * 3 + ["Spain"] * 3
    assert list(frame["region"]) == ["APAC"] * 3 + ["EMEA"] * 6
    kappa = summary(posterior, LABELS).query("parameter == 'kappa'").set_index("coefficient")
    effects = group_effects(posterior, LABELS, N)
    for name, levels in [("price", [("EMEA", "France")]), ("spend", [("EMEA",)])]:
        added = sum(row(effects, level=level, coefficient=name)["mean"] for level in levels)
        found = row(frame, country="France", coefficient=name)
        assert found["mean"] == pytest.approx(kappa["mean"][name] + added)
    X = np.array([[1.0, 2.0], [0.0, 0.0]])
    mean = frame[frame["country"] == "Spain"]["mean"].to_numpy()
    expected = prediction.expected_value(posterior, X, codes[[2, 2]])
    np.testing.assert_allclose(mean[0] + X @ mean[1:], expected, rtol=1e-12)


def test_parts_of_coefficients_add_up(posterior: Posterior) -> None:
    codes = np.array([[0, 0], [1, NEW], [NEW, NEW]])
    values = {"region": ["APAC", "EMEA", "LATAM"], "country": ["Japan", "Italy", "Chile"]}
    frame = coefficients(posterior, LABELS, codes, values, parts=True)
    assert list(frame.columns) == ["region", "country", "part", "coefficient", *MOMENTS]
    parts = ["kappa", "delta[region]", "delta[region/country]", "gamma[region/country]", "beta"]
    assert list(frame["part"]) == [part for part in parts for _ in range(3)] * 3
    mean = frame["mean"].to_numpy().reshape(3, 5, 3)
    np.testing.assert_allclose(mean[:, 1] + mean[:, 2], mean[:, 3], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(mean[:, 0] + mean[:, 3], mean[:, 4], rtol=1e-10)
    assert (mean[2, 1:4] == 0).all()
    beta = frame[frame["part"] == "beta"].drop(columns="part").reset_index(drop=True)
    pd.testing.assert_frame_equal(beta, coefficients(posterior, LABELS, codes, values))
    kappa = summary(posterior, LABELS).query("parameter == 'kappa'")
    np.testing.assert_allclose(mean[0, 0], kappa["mean"], rtol=1e-10)
    effect = row(group_effects(posterior, LABELS, N), level=("APAC",), coefficient="spend")
    found = row(frame, country="Japan", part="delta[region]", coefficient="spend")
    np.testing.assert_allclose(found[MOMENTS].astype(float), effect[MOMENTS].astype(float))


def test_gamma_is_the_sum_of_its_deltas_in_every_draw(posterior: Posterior) -> None:
    codes = np.array([[1, 2], [0, NEW]])
    frame = coefficients(
        posterior, LABELS, codes, {"region": [1, 2], "country": [1, 2]}, parts=True
    )
    kappa = at_zero.kappa(posterior)
    gamma = at_zero.coefficients(posterior, codes) - kappa
    found = frame[frame["part"] == "gamma[region/country]"][MOMENTS].to_numpy()
    np.testing.assert_allclose(found[:, 1], gamma.std(axis=-1).ravel(), rtol=1e-9)
    ends = np.quantile(gamma, [0.05, 0.95], axis=-1).reshape(2, -1).T
    np.testing.assert_allclose(found[:, 2:], ends, rtol=1e-9)


def test_every_hierarchy_has_its_gamma(fitted: Any) -> None:
    frame = fitted.coefficients({"region": "r", "country": "c", "industry": "i", "vertical": "v"})
    assert "part" not in frame
    frame = fitted.coefficients(
        {"region": "r", "country": "c", "industry": "i", "vertical": "v"}, 0.5, parts=True
    )
    gammas = [part for part in frame["part"].unique() if part.startswith("gamma")]
    assert gammas == ["gamma[region/country]", "gamma[industry/vertical]"]
    assert len(frame) == 3 * (1 + 4 + 2 + 1)


def test_coverage_of_the_methods(fitted: Any) -> None:
    wide, narrow = fitted.group_effects("region"), fitted.group_effects("region", coverage=0.5)
    assert (wide["lower"] < narrow["lower"]).all()
    with pytest.raises(ValueError, match="'coverage' parameter"):
        fitted.coefficients(coverage=2.0)


def test_coefficients_of_new_levels(posterior: Posterior) -> None:
    codes = np.array([[1, NEW], [NEW, NEW]])
    values = {"region": ["EMEA", "LATAM"], "country": ["Italy", "Chile"]}
    frame = coefficients(posterior, LABELS, codes, values, coverage=0.8)
    assert list(frame["country"]) == ["Italy"] * 3 + ["Chile"] * 3
    chile = row(frame, country="Chile", coefficient="spend")
    kappa = row(summary(posterior, LABELS), parameter="kappa", coefficient="spend")
    assert chile["mean"] == pytest.approx(kappa["mean"])
    tau = posterior.tau[0][1]
    expected = np.sqrt(kappa["sd"] ** 2 + (tau**2).mean())
    assert chile["sd"] == pytest.approx(expected, rel=4 / np.sqrt(posterior.n_draws))


@pytest.mark.parametrize("name", ["coefficient", *MOMENTS])
def test_a_group_column_called_like_a_column_of_the_frame(posterior: Posterior, name: str) -> None:
    values = {"region": ["EMEA"], name: ["Spain"]}
    frame = coefficients(posterior, LABELS, np.array([[1, 2]]), values)
    assert list(frame.columns) == ["region", f"{name}_", "coefficient", *MOMENTS]
    assert (frame[f"{name}_"] == "Spain").all()


def test_summary(posterior: Posterior) -> None:
    frame = summary(posterior, LABELS)
    numbers = ["mean", "sd", "q05", "q50", "q95", "ess_bulk", "ess_tail", "rhat"]
    assert list(frame.columns) == ["parameter", "factor", "coefficient", *numbers]
    assert list(frame["parameter"]) == ["kappa"] * 3 + ["tau"] * 4 + ["omega"] * 2 + ["sigma", "nu"]
    draws = make_draws()
    found = row(frame, parameter="kappa", coefficient="spend")
    spend = draws.kappa[:, :, 1] * 3.0 / 2.0
    expected = [spend.mean(), spend.std(), *np.quantile(spend, [0.05, 0.5, 0.95])]
    np.testing.assert_allclose(found[numbers[:5]].astype(float), expected, rtol=1e-10)
    together = convergence(spend)
    expected = [float(together.ess_bulk), float(together.ess_tail), float(together.rhat)]
    np.testing.assert_allclose(found[numbers[5:]].astype(float), expected, rtol=1e-10)
    for name, unit in {"sigma": 3.0, "nu": 1.0}.items():
        expected = unit * draws.auxiliary[name].mean()
        assert row(frame, parameter=name)["mean"] == pytest.approx(expected)


def test_summary_describes_the_effects_that_are_reported(posterior: Posterior) -> None:
    """tau and omega of a factor are those of its effects at x = 0, new levels among them."""
    frame = summary(posterior, LABELS)
    T = np.array([[1.0, 2.0], [0.0, 1.0]])  # intercept and price, whose centre is -2
    covariance = np.moveaxis(posterior.covariance(1), -1, 0)
    raw = T @ covariance @ T.T
    tau = np.sqrt(raw[:, 0, 0])
    found = row(frame, parameter="tau", factor="region/country", coefficient="Intercept")
    assert found["mean"] == pytest.approx(tau.mean())
    omega = raw[:, 0, 1] / (tau * np.sqrt(raw[:, 1, 1]))
    found = row(frame, parameter="omega", factor="region/country")
    assert (found["coefficient"], found["mean"]) == (
        "Intercept, price",
        pytest.approx(omega.mean()),
    )


def test_diagonal_normal_summary_has_neither_omega_nor_nu() -> None:
    draws = make_draws(full=False, student=False)
    frame = summary(posterior_of(draws, LABELS.varying, UNITS), LABELS)
    assert list(frame["parameter"]) == ["kappa"] * 3 + ["tau"] * 4 + ["sigma"]


def test_slopes_alone_keep_their_tau() -> None:
    """Where the intercept does not vary, slopes change their unit and nothing else."""
    varying = (np.array([1, 2]), np.array([2]))
    draws = make_draws()
    draws = replace(
        draws,
        delta=(draws.delta[0], draws.delta[1][..., :1]),
        tau=(draws.tau[0], draws.tau[1][..., :1]),
        omega=(draws.omega[0], np.ones_like(draws.omega[1][..., :1, :1])),
    )
    labels: Labels = replace(LABELS, varying=varying)
    posterior = posterior_of(draws, varying, UNITS)
    frame = summary(posterior, labels)
    spend = row(frame, parameter="tau", factor="region", coefficient="spend")
    assert spend["mean"] == pytest.approx(draws.tau[0][..., 0].mean() * 1.5)
    assert len(frame[frame["parameter"] == "omega"]) == 1
    assert set(group_effects(posterior, labels, N, "region")["coefficient"]) == {"spend", "price"}


def test_factor_by_which_nothing_varies() -> None:
    varying = (np.array([], dtype=np.int64), np.array([0, 2]))
    draws = make_draws()
    draws = replace(
        draws,
        delta=(draws.delta[0][..., :0], draws.delta[1]),
        tau=(draws.tau[0][..., :0], draws.tau[1]),
        omega=(draws.omega[0][..., :0, :0], draws.omega[1]),
    )
    labels = replace(LABELS, varying=varying)
    posterior = posterior_of(draws, varying, UNITS)
    assert set(group_effects(posterior, labels, N)["factor"]) == {"region/country"}
    assert list(summary(posterior, labels)["parameter"]).count("tau") == 2
    X, codes = np.ones((2, 2)), np.array([[0, 1], [NEW, 1]])
    low, high = prediction.interval(posterior, X, codes)
    assert np.array_equal(low, high)


def test_monte_carlo_errors_are_those_of_the_means(posterior: Posterior) -> None:
    frame = summary(posterior, LABELS)
    errors = monte_carlo_errors(posterior, LABELS)
    assert len(errors) == len(frame)
    sigma = int(np.flatnonzero(frame["parameter"] == "sigma")[0])
    draws = posterior.auxiliary["sigma"].reshape(posterior.n_chains, -1)
    expected = draws.std() / np.sqrt(ess_mean(draws[:, :, None])[0])
    np.testing.assert_allclose(errors[sigma], expected)


def test_the_error_of_independent_draws_is_sd_over_root_n() -> None:
    draws = np.random.default_rng(0).normal(size=(3, 400))
    np.testing.assert_allclose(errors_of_means(draws, 0), draws.std(axis=1) / 20)
