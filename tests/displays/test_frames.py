"""What axes call the outcome of a model inside a transformed target."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler

from skhlm import HLMRegressor
from skhlm.displays import (
    CoefficientsDisplay,
    GroupEffectsDisplay,
    ResidualsDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
)
from skhlm.displays.frames import name_inside
from skhlm.methods.fitted import find_hierarchical


@pytest.fixture(scope="module")
def data(campaigns):
    return campaigns[0][["region", "spend_1"]][:200], np.exp(0.1 * campaigns[1][:200])


def fit(data, **target):
    model = HLMRegressor("region", family="normal", algorithm="map", random_state=0)
    return TransformedTargetRegressor(model, **target).fit(*data)


@pytest.fixture(scope="module")
def of_log(data):
    return fit(data, func=np.log, inverse_func=np.exp)


def texts(display):
    return " ".join(
        text for axes in np.ravel(display.ax_) for text in (axes.get_xlabel(), axes.get_ylabel())
    ).replace("\n", " ")


@pytest.mark.parametrize(
    "display", [CoefficientsDisplay, GroupEffectsDisplay, ShrinkageDisplay, ResidualsDisplay]
)
def test_what_is_of_the_model_inside_says_so(of_log, display):
    assert "log of y" in texts(display.from_estimator(of_log))
    assert "log of sales (EUR)" in texts(display.from_estimator(of_log, outcome="sales (EUR)"))


def test_curves_are_on_the_scale_of_y(of_log, data):
    assert "log of" not in texts(
        ResponseCurveDisplay.from_estimator(of_log, data[0][:1], "spend_1")
    )


def test_residuals_have_the_name_of_the_outcome_given(of_log, data):
    X, y = data
    display = ResidualsDisplay.from_estimator(of_log, X, y.rename("sales"))
    assert "residual of log of sales" in texts(display)


def test_other_transformations_are_transformed(data):
    nameless = fit(data, func=lambda y: y**0.5, inverse_func=lambda z: z**2)
    assert name_inside(find_hierarchical(nameless), "sales") == "transformed sales"
    scaled = fit(data, transformer=StandardScaler())
    assert name_inside(find_hierarchical(scaled), None) == "transformed y"
    assert name_inside(find_hierarchical(scaled.regressor_), None) is None
