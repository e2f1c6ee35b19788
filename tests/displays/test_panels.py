from __future__ import annotations

import builtins
import subprocess
import sys
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skhlm import HLMRegressor, PooledRegressor
from skhlm.displays import (
    CoverageDisplay,
    GroupEffectsDisplay,
    PosteriorPredictiveDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.displays.panels import MAX_HEIGHT, MAX_WIDTH, grid_shape, open_panels

EFFECTS = {
    "levels": ["a", "b"],
    "coefficients": ["Intercept", "x"],
    "mean": np.zeros((2, 2)),
    "lower": -np.ones((2, 2)),
    "upper": np.ones((2, 2)),
}


def test_importing_the_package_does_not_import_matplotlib():
    code = "import skhlm, sys; assert skhlm.TraceDisplay; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_making_a_display_does_not_draw():
    GroupEffectsDisplay(**EFFECTS)
    assert plt.get_fignums() == []


def test_without_matplotlib_an_error_names_the_extra(monkeypatch):
    original = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    display = CoverageDisplay(nominal=[0.5], actual=[[0.5]], n=10, names=["model"])
    with pytest.raises(ImportError, match=r"CoverageDisplay.plot requires.*skhlm\[plot\]"):
        display.plot()


@pytest.mark.parametrize(
    ("n", "shape"), [(1, (1, 1)), (2, (1, 2)), (4, (1, 4)), (5, (2, 3)), (9, (3, 3)), (16, (4, 4))]
)
def test_grids_hold_their_panels(n, shape):
    assert grid_shape(n) == shape
    assert shape[0] * shape[1] >= n


def test_figures_are_no_larger_than_the_caps():
    panel, *_ = open_panels("test", None, 5, (2, 3), (99.0, 99.0))
    assert tuple(panel.figure.get_size_inches()) == (MAX_WIDTH, MAX_HEIGHT)
    assert len(panel.figure.axes) == 5


def test_one_axes_bounds_several_panels():
    _, (left, right) = plt.subplots(1, 2, layout="constrained")
    display = GroupEffectsDisplay(**EFFECTS).plot(left)
    bounds, other = left.get_position(), right.get_position()
    assert not left.axison
    assert display.figure_ is left.figure
    assert len(display.axes_) == 2
    for axes in display.axes_:
        assert bounds.x0 - 1e-9 <= axes.get_position().x0 < axes.get_position().x1 <= other.x0


def test_given_axes_are_used():
    _, axes = plt.subplots(1, 2)
    display = GroupEffectsDisplay(**EFFECTS).plot(axes)
    assert display.axes_.tolist() == axes.tolist()
    assert len(plt.get_fignums()) == 1


def test_wrong_axes_are_named():
    _, axes = plt.subplots(1, 3)
    with pytest.raises(ValueError, match=r"2 of them.*got 3 object"):
        GroupEffectsDisplay(**EFFECTS).plot(axes)
    with pytest.raises(ValueError, match="first a str"):
        GroupEffectsDisplay(**EFFECTS).plot("axes")
    with pytest.raises(ValueError, match="ax is empty"):
        GroupEffectsDisplay(**EFFECTS).plot([])
    free = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="not a subplot"):
        GroupEffectsDisplay(**EFFECTS).plot(free)


@pytest.mark.parametrize("display", [GroupEffectsDisplay, ShrinkageDisplay, ResponseCurveDisplay])
def test_axes_have_the_name_that_y_had_at_fit(display, fitted, campaigns):
    settings = {"feature": "spend_1"} if display is ResponseCurveDisplay else {}
    assert display.from_estimator(fitted, **settings).outcome == campaigns[1].name == "return"
    assert display.from_estimator(fitted, **settings, outcome="EUR").outcome == "EUR"
    nameless = copy(fitted)
    nameless._fit = replace(fitted._fit, spec=replace(fitted._spec, outcome_name=None))
    assert display.from_estimator(nameless, **settings).outcome is None


FROM_A_MODEL = [GroupEffectsDisplay, ShrinkageDisplay, TraceDisplay, PosteriorPredictiveDisplay]


@pytest.mark.parametrize("display", FROM_A_MODEL)
def test_what_has_no_posterior_is_refused_by_name(display, fitted, campaigns):
    pooled = PooledRegressor(["region/country", "industry/vertical"]).fit(*campaigns)
    with pytest.raises(TypeError, match="must be an HLMRegressor, got PooledRegressor"):
        display.from_estimator(pooled)
    piped = display.from_estimator(make_pipeline(fitted))
    assert type(piped) is display
    with pytest.raises(NotFittedError):
        display.from_estimator(HLMRegressor())
