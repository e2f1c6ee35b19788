"""Several coverages in one call are those of as many calls, side by side."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor

import skhlm
from skhlm import HLMClassifier, HLMRegressor, PooledClassifier, PooledRegressor

# Whatever the Pareto k of the draws about a mode.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")
SEVERAL = (0.5, 0.925)
SUFFIXES = ["_50", "_92.5"]


@pytest.fixture(scope="module")
def data():
    """Shops whose number is called as a result is, which stays what it is."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"slope_lower": np.tile(list("abc"), 30), "spend": rng.gamma(3, 1, 90)})
    return X, rng.poisson(np.exp(0.2 * X["spend"]))


@pytest.fixture(scope="module")
def model(data):
    settings = {"algorithm": "laplace", "iter_sampling": 150, "random_state": 0}
    return HLMRegressor("slope_lower", family="poisson", **settings).fit(*data)


FRAMES = {
    "group_effects": lambda model, _, c: model.group_effects(coverage=c),
    "coefficients": lambda model, _, c: model.coefficients(coverage=c),
    "shrinkage": lambda model, _, c: model.shrinkage_factors(coverage=c),
    "curve": lambda model, X, c: model.response_curve(X[:3], "spend", [1, 2], c),
    "slopes": lambda model, X, c: model.response_curve(X[:3], "spend", [1, 2], c, slope=True),
    "function": lambda model, X, c: skhlm.response_curve(model, X[:3], "spend", [1, 2], c),
    "curves": lambda model, X, c: model.compare_curves(X[:3], X[4:7], "spend", [1], coverage=c),
    "points": lambda model, X, c: model.compare_points(X[:3], "spend", factor=2, coverage=c),
    "differences": lambda model, X, c: skhlm.compare_points(
        model, X[:3], "spend", end=2, coverage=c
    ),
    "prediction": lambda model, X, c: skhlm.average_prediction(
        model, X, by="slope_lower", coverage=c
    ),
    "slope": lambda model, X, c: skhlm.average_slope(model, X, "spend", coverage=c),
    "difference": lambda model, X, c: skhlm.average_difference(
        model, X, "spend", end=2, coverage=c
    ),
    "parts": lambda model, X, c: skhlm.contributions(model, X[:3], coverage=c),
    "check": lambda model, _, c: model.posterior_predictive_check(coverage=c, n_samples=50),
}


@pytest.mark.parametrize("case", FRAMES)
def test_frames_have_a_pair_of_columns_for_each(model, data, case):
    """Each in its place, all else as it was, and columns of the user as they are called."""
    function, X = FRAMES[case], data[0]
    found = function(model, X, SEVERAL)
    alone = [function(model, X, coverage) for coverage in SEVERAL]
    for one, suffix in zip(alone, SUFFIXES, strict=True):
        ends = {f"{name}{suffix}": name for name in one.columns}
        other = next(s for s in SUFFIXES if s != suffix)
        own = found[[name for name in found.columns if not name.endswith(other)]]
        pd.testing.assert_frame_equal(own.rename(columns=ends), one)
    first = found.columns.tolist().index(next(x for x in found.columns if x.endswith("_50")))
    four = found.columns[first : first + 4].tolist()
    stem = four[0].removesuffix("lower_50")
    assert four == [f"{stem}{side}{suffix}" for suffix in SUFFIXES for side in ("lower", "upper")]


def test_a_summary_has_all_quantiles(model):
    """The median is one of them, and ratios have their ends."""
    found, wide = model.summary(SEVERAL), model.summary(0.925)
    names = [name for name in found.columns if name.startswith("q")]
    assert names == ["q03.75", "q25", "q50", "q75", "q96.25"]
    pd.testing.assert_series_equal(found["q96.25"], wide["q96.25"])
    kappa = found[found["parameter"] == "kappa"]
    np.testing.assert_allclose(kappa["rate_ratio_upper_50"], np.exp(kappa["q75"]))
    np.testing.assert_allclose(kappa["rate_ratio_lower_92.5"], np.exp(kappa["q03.75"]))
    assert model.summary().columns.tolist()[5:8] == ["q05", "q50", "q95"]
    assert model.summary().columns.tolist()[-3:] == [
        *["rate_ratio", "rate_ratio_lower", "rate_ratio_upper"]
    ]


def estimators(X, y):
    settings = {"algorithm": "laplace", "iter_sampling": 150, "random_state": 0}
    yes = y > np.median(y)
    positive = X["spend"]
    inner = HLMRegressor("slope_lower", **settings)
    of_log = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp)
    yield HLMClassifier("slope_lower", **settings).fit(X, yes), "mean"
    yield PooledRegressor("slope_lower").fit(X, y), "outcome"
    yield PooledClassifier("slope_lower").fit(X, yes), "mean"
    yield of_log.fit(X, positive), "outcome"


def test_intervals_of_rows_have_an_axis_of_coverages(model, data):
    """Of every estimator that has intervals, and through what transforms y."""
    X, y = data
    for estimator, kind in ((model, "outcome"), *estimators(X, y)):
        found = skhlm.predict_interval(estimator, X, SEVERAL)
        assert found.shape == (90, 2, 2)
        for i, coverage in enumerate(SEVERAL):
            one = skhlm.predict_interval(estimator, X, coverage, kind)
            np.testing.assert_allclose(found[:, i], one, rtol=1e-12)
        assert skhlm.predict_interval(estimator, X, [0.5]).shape == (90, 1, 2)


def test_what_warns_warns_once(model, data, monkeypatch):
    monkeypatch.setattr("skhlm.posterior.prediction.k_threshold", lambda _: -np.inf)
    new = data[0].assign(slope_lower="new")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        skhlm.average_prediction(model, new, coverage=SEVERAL)
    assert len(caught) == 1 and caught[0].filename == __file__


@pytest.mark.parametrize("wrong", [(), (0.5, 0.5), (0.5, 1.0), ["much"]])
def test_what_is_no_coverage_is_told(model, data, wrong):
    for call in (
        lambda: model.predict_interval(data[0], wrong),
        lambda: model.group_effects(coverage=wrong),
        lambda: model.summary(wrong),
    ):
        with pytest.raises(ValueError, match="coverage must be a number between 0 and 1, or a"):
            call()


def test_arguments_that_are_none_are_told_as_ever(model):
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        model.group_effects(width=0.9)
    with pytest.raises(TypeError, match="missing"):
        skhlm.average_prediction()
