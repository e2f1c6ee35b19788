"""What rendered pictures must not show, whichever display draws them."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import same_color

from skhlm.displays import (
    AllocationDisplay,
    GroupEffectsDisplay,
    PosteriorPredictiveDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.displays.names import shown_apart
from skhlm.displays.ticks import labels_of

LONG = [
    "monthly advertising spend on online video platforms in thousand EUR (log1p)",
    "share_of_households_with_broadband_internet_access_2019",
    "seasonally_adjusted_consumer_confidence_index_lagged_3m",
    "x",
]
LEVELS = [f"country {j}" for j in range(12)]
LARGE = 1e6


def effects(names, mean=None, *, levels=LEVELS, outcome="return (EUR)", half=0.5):
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(len(levels), len(names))) if mean is None else mean
    return GroupEffectsDisplay(
        levels=levels,
        coefficients=names,
        mean=mean,
        lower=mean - half,
        upper=mean + half,
        factor="country",
        outcome=outcome,
    ).plot()


def shrinkage(names, own=None):
    rng = np.random.default_rng(0)
    partial = rng.normal(size=(12, len(names)))
    return ShrinkageDisplay(
        levels=LEVELS,
        coefficients=names,
        no_pooling=1.5 * partial if own is None else own,
        partial_pooling=partial,
        complete_pooling=0 * partial,
        n=np.arange(1, 13),
        factor="country",
        outcome="return (EUR)",
    ).plot()


def curves(mean, grid, *, kind="mean", **settings):
    return ResponseCurveDisplay(
        grid=grid,
        mean=mean,
        lower=mean - 1,
        upper=mean + 1,
        names=LEVELS[: len(mean)],
        feature=LONG[0],
        kind=kind,
        outcome=LONG[1],
        **settings,
    ).plot()


def legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


@pytest.mark.parametrize("draw", [effects, shrinkage])
def test_forty_coefficients_wrap_into_rows(draw, assert_legible):
    names = ["Intercept", *(f"advertising_spend_channel_{k:02}_log1p" for k in range(1, 40))]
    display = draw(names)
    width = min(axes.get_window_extent().width for axes in display.axes_)
    assert_legible(display.figure_)
    assert width > 100  # pixels, of which a smear has none to spare
    places = {axes.get_subplotspec().rowspan.start for axes in display.axes_}
    assert len(places) == 8
    labelled = [axes for axes in display.axes_ if axes.yaxis.get_tick_params()["labelleft"]]
    assert len(labelled) == 8  # one in each row


@pytest.mark.parametrize("draw", [effects, shrinkage])
def test_long_names_of_predictors_do_not_overlap(draw, assert_legible):
    display = draw(LONG)
    assert_legible(display.figure_)
    _assert_labels_apart(display)
    assert "_\n" in display.axes_[1].get_title()  # broken between the parts of a word


def test_long_names_along_curves_do_not_overlap(assert_legible):
    grid = np.linspace(0, 10, 5)
    display = curves(np.arange(6.0)[:, None] + grid, grid)
    assert_legible(display.figure_)
    _assert_labels_apart(display)


def test_thirty_long_names_are_told_apart_by_their_own_words():
    names = [
        f"Campaign DE 2023 Q{1 + i % 4} brand awareness prospecting "
        f"{('video', 'display', 'search', 'audio', 'social')[i % 5]} audience "
        f"{'young' if i < 20 else 'old'} creative variant final"
        for i in range(30)
    ]
    short = shown_apart(names)
    assert len(set(short)) == 30
    assert max(map(len, short)) <= 28
    assert short[0] == "…Q1…video…young"
    assert short[25] == "…Q2…video…old"
    again = shown_apart([*names, names[0]])  # one that is there twice has a number
    assert again[0] == "…Q1…video…young (1)"


def test_one_badly_known_level_leaves_room_for_the_others():
    own = np.linspace(-1, 1, 12)[:, None]
    own[3] = 400.0
    display = shrinkage(["Intercept"], own)
    low, high = display.ax_.get_xlim()
    assert -4 < low < -1 and 1 < high < 4
    assert display.beyond_[0, 1].get_ydata().size == 1


def test_one_wide_interval_leaves_room_for_the_others():
    mean = np.linspace(-1, 1, 12)[:, None]
    half = np.full((12, 1), 0.5)
    half[3] = 200.0
    display = effects(["Intercept"], mean, half=half)
    low, high = display.ax_.get_xlim()
    assert -6 < low < -1 and 1 < high < 6
    left, right = display.beyond_[0]
    assert left.get_ydata().tolist() == right.get_ydata().tolist() == [3]
    assert "beyond the axis" in legend(display)
    assert "beyond the axis" not in legend(effects(["Intercept"], mean))


def test_slopes_of_straight_lines_are_rows_with_intervals(assert_legible):
    grid = np.linspace(0, 10, 50)
    slopes = np.array([3.0, 1.0, 2.0])[:, None] + 0 * grid
    display = curves(slopes, grid, kind="slope")
    assert len(display.axes_) == 1
    assert not display.bands_.size
    assert display.panels_.tolist() == [1, 2, 0]
    points = display.forest_.points.get_xydata()
    assert points.tolist() == [[1.0, 0.0], [2.0, 1.0], [3.0, 2.0]]
    ends = [segment[:, 0].tolist() for segment in display.forest_.intervals.get_segments()]
    assert ends == [[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]
    assert legend(display) == ["slope", "90% interval"]
    assert_legible(display.figure_)
    display.plot(panels=[2])
    assert display.legend_.get_title().get_text() == "1 of 3 curves have a row"
    bent = curves(slopes + 0.1 * grid, grid, kind="slope")
    assert bent.forest_ is None and len(bent.axes_) == 3


def test_legends_say_of_which_coverage_intervals_are(fitted):
    assert "90% interval" in legend(effects(["Intercept"]))
    half = GroupEffectsDisplay.from_estimator(fitted, coverage=0.5)
    assert "50% interval" in legend(half)
    wide = GroupEffectsDisplay.from_estimator(fitted)
    assert (half.upper - half.lower < wide.upper - wide.lower).all()
    both = {"start": [3.0, 3.0], "end": [2.0, 4.0], "marginal": [0.5, 0.5]}
    ends = {"marginal_lower": [0.4, 0.3], "marginal_upper": [0.6, 0.7]}
    allocation = AllocationDisplay(units=["A", "B"], **both, **ends, coverage=0.8).plot()
    assert legend(allocation)[-1] == "80% interval"


def large_pictures():
    rng = np.random.default_rng(0)
    grid = 2 * LARGE + np.linspace(0, 100, 50)
    yield effects(["Intercept"], LARGE + np.arange(12.0)[:, None])
    yield curves(LARGE + rng.normal(size=(5, 1)) + 0.01 * (grid - grid[0]), grid)
    yield PosteriorPredictiveDisplay(
        observed=LARGE + rng.normal(size=200), replicated=LARGE + rng.normal(size=(20, 200))
    ).plot()
    yield TraceDisplay(draws=LARGE + rng.normal(size=(2, 4, 300)), parameters=["a", "b"]).plot(
        kind="trace"
    )
    yield effects(["Intercept"], 1e9 * rng.normal(size=(12, 1)), half=5e8)
    yield effects(["Intercept"], 1e-9 * rng.normal(size=(12, 1)), half=5e-10)


def test_every_tick_is_a_number_of_its_own(assert_legible):
    for display in large_pictures():
        assert_legible(display.figure_)
        for axes in display.figure_.axes:
            axis = axes.xaxis
            assert not axis.get_offset_text().get_text()
            assert not axes.yaxis.get_offset_text().get_text()
            low, high = axis.get_view_interval()
            step = max(high - low, 1e-300) / 1e4
            labels = [label.get_text() for label in axis.get_ticklabels()]  # none of inner panels
            for tick, label in zip(axis.get_majorticklocs(), labels, strict=bool(labels)):
                assert abs(_number(label) - tick) < step


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 0.5, 1.0], ["0.0", "0.5", "1.0"]),
        ([-0.25, 0.0, 0.25], ["−0.25", "0.00", "0.25"]),
        ([999999.0, 1000000.0], ["999999", "1000000"]),
        ([-2e7, 0.0, 1e7], ["−2e7", "0", "1e7"]),
        ([1.25e8, 1.5e8], ["1.25e8", "1.50e8"]),
        ([-2e-9, -1e-9, 0.0, 3e-9 - 2e-9], ["−2e−9", "−1e−9", "0", "1e−9"]),
        ([1e8, 1e8 + 0.5], ["100000000.0", "100000000.5"]),
        ([0.1 + 0.2, 0.6], ["0.3", "0.6"]),
        ([7.0], ["7"]),
        ([], []),
    ],
)
def test_ticks_have_the_digits_that_tell_them_apart(ticks, labels):
    assert labels_of(ticks) == labels


def test_chosen_ticks_stay(fitted):
    display = GroupEffectsDisplay.from_estimator(fitted, "region")
    names = {label.get_text() for label in display.axes_[0].get_yticklabels()}
    assert names == set(display.levels.tolist())


def test_divergences_have_the_colour_of_no_chain():
    rng = np.random.default_rng(0)
    divergent = rng.random((8, 100)) < 0.1
    for kind in ("trace", "rank"):
        display = TraceDisplay(
            draws=rng.normal(size=(1, 8, 100)), parameters=["a"], divergent=divergent
        ).plot(kind=kind)
        (ticks,) = {line.get_color() for line in display.divergences_.ravel()}
        drawn = [] if kind == "rank" else [line.get_color() for line in display.lines_.ravel()]
        drawn += [patch.get_facecolor()[:3] for patch in display.ax_.patches]
        assert not any(same_color(ticks, color) for color in drawn)


def test_names_are_in_a_font_that_has_their_letters():
    """Cyrillic, which the set font lacks and another one has; and what no font has, escaped."""
    with mpl.rc_context({"font.family": ["cmr10"], "axes.formatter.use_mathtext": True}):
        display = effects(["Intercept"], np.zeros((2, 1)), levels=["Київ", "\ue123"])
        display.figure_.canvas.draw()  # a missing glyph is a warning, and so an error here
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == [r"\ue123", "Київ"]
    assert "DejaVu Sans" in display.ax_.get_yticklabels()[1].get_fontfamily()


def _number(label):
    return float(label.replace("\N{MINUS SIGN}", "-"))


def _assert_labels_apart(display):
    """No label or title of an axis lies on that of another panel."""
    boxes = []
    for axes in display.axes_:
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label]
        boxes.append([text.get_window_extent() for text in texts if text.get_text().strip()])
    for i, own in enumerate(boxes):
        others = [box for other in boxes[:i] for box in other]
        assert not any(box.overlaps(other) for box in own for other in others)
