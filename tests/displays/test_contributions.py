"""A waterfall: its bars are the parts, one beginning where the other ends."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import ContributionsDisplay, HLMRegressor, contributions
from tests.link_models import classifier, counts


@pytest.fixture(scope="module")
def parts(fitted, campaigns):
    frame = contributions(fitted, campaigns[0])
    return frame[frame["row"] == 7]


def test_bars_lead_from_the_reference_to_the_prediction(fitted, campaigns, parts, assert_legible):
    X = campaigns[0]
    display = ContributionsDisplay.from_estimator(fitted, X, row=7, sort=False)
    assert display.parts.tolist() == parts["part"].tolist()[1:]
    np.testing.assert_array_equal(display.mean, parts["mean"].iloc[1:])
    bars = display.bars_
    ends = parts["mean"].cumsum().to_numpy()
    for bar, start, stop in zip(bars[1:-1], ends[:-1], ends[1:], strict=True):
        assert bar.get_x() == pytest.approx(min(start, stop))
        assert bar.get_width() == pytest.approx(abs(stop - start))
    assert display.prediction[0] == pytest.approx(fitted.predict(X.iloc[[7]])[0])
    interval = fitted.predict_interval(X.iloc[[7]], kind="mean")[0]
    np.testing.assert_allclose(display.prediction[1:], interval)
    assert_legible(display.figure_)


def test_intervals_are_those_of_each_part(fitted, campaigns, parts):
    display = ContributionsDisplay.from_estimator(fitted, campaigns[0], row=7, sort=False)
    lines = [segment[:, 0] for segment in display.intervals_.get_segments()]
    before = parts["mean"].cumsum().to_numpy()[:-1]
    bands = parts[["lower", "upper"]].to_numpy()
    np.testing.assert_allclose(lines[0], bands[0])
    np.testing.assert_allclose(lines[1:-1], before[:, None] + bands[1:])
    np.testing.assert_allclose(lines[-1], display.prediction[1:])


def test_the_largest_parts_come_first(fitted, campaigns):
    display = ContributionsDisplay.from_estimator(fitted, campaigns[0], row=-1)
    assert (np.diff(np.abs(display.mean)) <= 0).all()
    display.figure_.canvas.draw()
    ticks = sorted(display.ax_.get_yticklabels(), key=lambda text: -text.get_position()[1])
    assert [text.get_text() for text in ticks] == ["reference", *display.parts, "prediction"]


def test_pipelines_and_other_axes(campaigns):
    X, y = campaigns[0][["region", "spend_1"]], campaigns[1]
    model = HLMRegressor("region", family="normal", algorithm="map", random_state=0)
    pipeline = make_pipeline(FunctionTransformer(), model).fit(X, y)
    figure, ax = plt.subplots()
    display = ContributionsDisplay.from_estimator(pipeline, X, {"spend_1": 0.0}, ax=ax)
    assert display.figure_ is figure
    assert sorted(display.parts) == ["region", "spend_1"]


@pytest.mark.parametrize("make", [classifier, lambda: counts("poisson")])
@pytest.mark.parametrize("kind", ["mean", "link"])
def test_behind_a_link_the_axis_says_of_what(make, kind, assert_legible):
    model = make()
    X = model._spec.as_given(model._fit.rows.X[:3], model._fit.rows.codes[model._fit.rows.cell[:3]])
    display = ContributionsDisplay.from_estimator(model, X, kind=kind)
    assert display.reference[0] + display.mean.sum() == pytest.approx(display.prediction[0])
    assert (display._foot() == 0) or kind == "link"
    assert_legible(display.figure_)


@pytest.mark.parametrize("row", [200_000, -200_000, 1.5, True, "first"])
def test_rows_that_are_not_there_are_refused(fitted, campaigns, row):
    with pytest.raises(ValueError, match="row must be a position in X"):
        ContributionsDisplay.from_estimator(fitted, campaigns[0], row=row)
