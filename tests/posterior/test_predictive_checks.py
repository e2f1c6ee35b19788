"""Statistics of replications against numpy, scipy and known models."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm, skew

from skhlm.draws import Draws
from skhlm.inputs.design import Units
from skhlm.posterior import predictive_checks
from skhlm.posterior.predictive_checks import STATISTICS, parse_statistics, predictive_check
from tests.draws import auxiliary, posterior_of

_UNITS = Units(True, 0.0, 1.0, np.zeros(0), np.ones(0))


@pytest.fixture(scope="module")
def standard_normal():
    """A posterior that is certain of y_i ~ normal(0, 1)."""
    zeros = np.zeros((2, 1000))
    draws = Draws(zeros[..., None], (), (), (), auxiliary(zeros + 1))
    return posterior_of(draws, (), _UNITS)


def _check(posterior, y, statistics=tuple(STATISTICS), groups=None, n_samples=4000, seed=0):
    codes = np.zeros((len(y), 0), dtype=int)
    groups = [np.arange(len(y))] if groups is None else groups
    X, rng = np.empty((len(y), 0)), np.random.default_rng(seed)
    functions = parse_statistics(statistics)
    return predictive_check(posterior, X, codes, codes, y, functions, groups, n_samples, rng)


def test_named_statistics_are_those_of_numpy_and_scipy():
    y = np.random.default_rng(0).gamma(2, size=(40, 3))
    y[0] = 0.0
    expected = {
        "mean": np.mean(y, axis=0),
        "sd": np.std(y, axis=0, ddof=1),
        "min": np.min(y, axis=0),
        "median": np.median(y, axis=0),
        "max": np.max(y, axis=0),
        "skewness": skew(y, axis=0),
    }
    expected |= {
        "zeros": np.mean(y == 0, axis=0),
        "dispersion": np.var(y, axis=0, ddof=1) / np.mean(y, axis=0),
    }
    assert set(expected) == set(STATISTICS)
    for name, values in expected.items():
        assert_allclose(STATISTICS[name](y), values)


def test_replications_have_the_distribution_of_the_model(standard_normal):
    n, y = 25, np.linspace(-1, 2, 25)
    check = _check(standard_normal, y).set_index("statistic")
    error = 4 * (1 / n / 4000) ** 0.5
    assert abs(check.at["mean", "mean"]) < error
    assert_allclose(
        check.loc["mean", ["lower", "upper"]], np.array([-1, 1]) * norm.isf(0.05) / 5, atol=0.02
    )
    for statistic, exact in {
        "mean": norm.sf(y.mean() * 5),
        "max": 1 - norm.cdf(2) ** n,
        "min": norm.sf(-1) ** n,
    }.items():
        tolerance = 4 * (exact * (1 - exact) / 4000) ** 0.5
        assert_allclose(check.at[statistic, "p_value"], exact, atol=tolerance)
    assert_allclose(check.at["sd", "observed"], y.std(ddof=1))


def test_p_values_of_data_from_the_model_are_uniform(standard_normal):
    rng = np.random.default_rng(1)
    checks = [
        _check(standard_normal, rng.standard_normal(20), n_samples=200, seed=i) for i in range(100)
    ]
    for name in set(STATISTICS) - {"zeros", "dispersion"}:  # there are no zeros, and no mean
        p = np.array([check.set_index("statistic").at[name, "p_value"] for check in checks])
        assert abs(p.mean() - 0.5) < 4 * (1 / 12 / 100) ** 0.5
        assert_allclose(p.std(), 1 / 12**0.5, rtol=0.3)


def test_what_the_model_does_not_describe_is_extreme(standard_normal):
    y = np.r_[norm.isf((np.arange(50) + 0.5) / 50), 8.0, -8.0]
    check = _check(standard_normal, y).set_index("statistic")
    assert check.at["max", "p_value"] == 0
    assert check.at["min", "p_value"] == 1
    assert 0.1 < check.at["median", "p_value"] < 0.9


def test_groups_of_rows_are_checked_apart(standard_normal):
    y = np.r_[np.zeros(9) + np.linspace(-1, 1, 9), 5.0]
    check = _check(standard_normal, y, ["mean", "sd", "skewness"], [np.arange(9), np.array([9])])
    assert check["group"].tolist() == [0, 0, 0, 1, 1, 1]
    assert check["statistic"].tolist() == ["mean", "sd", "skewness"] * 2
    assert_allclose(check["observed"].to_numpy()[[0, 3]], [0, 5], atol=1e-12)
    assert check["p_value"][3] == 0
    assert check.loc[4:, ["observed", "mean", "lower", "upper", "p_value"]].isna().all(axis=None)


def test_a_function_is_the_named_statistic(standard_normal, monkeypatch):
    def largest(y):
        assert y.shape == (15,)
        return y.max()

    y = np.random.default_rng(2).standard_normal(15)
    check = _check(standard_normal, y, ["max", largest, np.max], n_samples=300)
    assert check["statistic"].tolist() == ["max", "largest", "max"]
    for column in ("observed", "mean", "lower", "upper", "p_value"):
        assert check[column].nunique() == 1
    named = _check(standard_normal, y, {"top": largest, "low": "min"}, n_samples=50)
    assert named["statistic"].tolist() == ["top", "low"]
    monkeypatch.setattr(predictive_checks, "JOINT_BYTES", 1)
    assert len(_check(standard_normal, y, largest, n_samples=20)) == 1


@pytest.mark.parametrize(
    ("statistics", "error", "message"),
    [
        ("mode", ValueError, "no statistic 'mode'"),
        (["maximum", "max"], ValueError, "Did you mean 'max'"),
        ([], TypeError, "give a list"),
        (3, TypeError, "give a list"),
        ([3], ValueError, "no statistic 3"),
        ({}, TypeError, "give a list"),
    ],
)
def test_statistics_that_are_none(statistics, error, message):
    with pytest.raises(error, match=message):
        parse_statistics(statistics)


@pytest.mark.parametrize("function", [np.sort, str, list])
def test_a_function_that_returns_no_number(standard_normal, function):
    with pytest.raises(TypeError, match="must return one number"):
        _check(standard_normal, np.zeros(5), function)
