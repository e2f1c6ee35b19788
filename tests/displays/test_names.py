from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.cbook import is_math_text

from skhlm import HLMRegressor
from skhlm.displays import (
    CoverageDisplay,
    GroupEffectsDisplay,
    PosteriorPredictiveDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.displays.names import literal, shown, shown_apart

ODD = [
    "cost in $",
    "$x_1^2$",
    r"$\frac{a$",
    r"\$",
    "_hidden",
    "100 %{x} #1 & more",
    "<script>alert(1)</script>",
    "two\nlines",
    "tab\there",
    "\x00\x01",
    "",
    " ",
    "東京",
    "💶",
    "\ud800",
    "\u202egnp",
    "x" * 3000,
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("price", "price"),
        ("", "''"),
        ("  ", "'  '"),
        ("a\nb", r"a\nb"),
        ("a\x00", r"a\x00"),
        ("naïve", "naïve"),
        ("東京", r"\u6771\u4eac"),
        ("\ud800", r"\ud800"),
        ("a\u202eb", r"a\u202eb"),
    ],
)
def test_what_has_no_glyph_is_written_as_python_writes_it(name, expected):
    with mpl.rc_context({"font.family": ["DejaVu Sans"]}):
        assert shown(name) == expected


def test_long_names_keep_their_ends():
    name = shown("a very long name of a level, number 17", 28)
    assert len(name) == 28
    assert name.startswith("a very")
    assert name.endswith("number 17")
    assert shown("France", 28) == "France"


@pytest.mark.parametrize(
    "names",
    [
        [f"{'a' * 100}{i:02}{'b' * 100}" for i in range(30)],
        [f"{'a' * 100}{i:02}" for i in range(30)],
        [f"{i:02}{'b' * 100}" for i in range(30)],
        [f"{'a' * i}x{'a' * (200 - i)}" for i in range(50, 80)],
        ["a\nb", r"a\nb"],
        ["same", "same", "same (1)"],
        ["", "''"],
    ],
)
def test_shortened_names_stay_distinct(names):
    short = shown_apart(names)
    assert len(set(short)) == len(names)
    assert max(map(len, short)) <= 34


def test_names_are_shown_where_they_differ():
    short = shown_apart([f"{'a' * 100}{town}{'b' * 100}" for town in ("Rome", "Oslo")])
    assert ["Rome" in short[0], "Oslo" in short[1]] == [True, True]


@pytest.mark.parametrize("name", ODD)
def test_matplotlib_shows_a_name_as_it_is(name):
    figure, axes = plt.subplots()
    axes.plot([0, 1], label=literal(shown(name)))
    legend = axes.legend()
    axes.set_title(literal(shown(name)))
    figure.canvas.draw()  # warnings of missing glyphs are errors here, as is a formula's syntax
    assert len(legend.get_texts()) == 1
    assert not is_math_text(axes.get_title())


@pytest.fixture(scope="module", params=[ODD[:9], ODD[8:]])
def oddly_named(request):
    """A model whose columns, levels and outcome have odd names."""
    names = [name for name in request.param if name != "\ud800"]
    rows = [(names[i % 2], name) for i, name in enumerate(names) for _ in range(6)]
    X = pd.DataFrame(rows, columns=[names[0], names[1]])
    X.insert(0, names[2], [float(i * i % 7) for i in range(len(X))])
    y = pd.Series([float(i * i % 11) for i in range(len(X))], name=names[3])
    model = HLMRegressor((1, 2), family="normal", chains=2, iter_sampling=30, random_state=0)
    with pytest.warns(Warning):  # so few draws, and two levels
        return model.fit(X, y), X, y


def test_displays_and_report_bear_any_name(oddly_named, tmp_path):
    model, X, y = oddly_named
    pictures = [
        GroupEffectsDisplay.from_estimator(model),
        ShrinkageDisplay.from_estimator(model),
        ResponseCurveDisplay.from_estimator(model),
        PosteriorPredictiveDisplay.from_estimator(model),
        TraceDisplay.from_estimator(model, "tau"),
        CoverageDisplay.from_estimators({y.name: model}, X, y),
    ]
    for picture in pictures:
        picture.figure_.canvas.draw()
    assert len(pictures[0].legend_.get_texts()) == 2 + 2  # points, intervals, two parents
    assert len(pictures[1].parents_) == 2
    model.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
