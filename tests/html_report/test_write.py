"""The report: what it holds, and that a browser has nothing to complain of."""

from __future__ import annotations

import base64
import re
from html import escape

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.pipeline import make_pipeline

import skhlm
from skhlm import HLMRegressor
from skhlm.html_report.rows import rows_of_fit
from skhlm.html_report.sections import curves, effects
from skhlm.html_report.words import priors_in_words
from skhlm.priors import Gamma, Normal, StudentT

TABLES = [
    "The run",
    "Grouping factors",
    "Predictors",
    "Point predictions",
    "Predictive checks",
    "Predictive checks by continent",
    "Predictive checks by continent/country",
    "Coverage",
    "R²",
    "Rows left out one at a time",
    "The 15 rows with the largest Pareto k",
    "Checks",
    "The 10 of 73 parameters whose draws tell least",
    "Chains",
    "Parameters",
    "Prior against posterior",
    "Coefficients",
    "Shrinkage of continent",
    "Shrinkage of continent/country",
    "Effects of continent",
    "Effects of continent/country",
]
SECTIONS = [
    "Model",
    "Data",
    "Fit",
    "Diagnosis",
    "Explore",
    "Parameters",
    "Shrinkage",
    "Group effects",
    "Response curves",
]
pyplot = pytest.importorskip("matplotlib.pyplot")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def report(model, tmp_path_factory):
    """Its report: the path."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    model.report(path)
    return path


@pytest.fixture(scope="module")
def page(report):
    return report.read_text("utf-8")


@pytest.fixture
def intercepts(mode):
    """A model of six intercepts and no predictor, whose report is short."""
    levels, rng = np.arange(60) % 6, np.random.default_rng(0)
    y = 3 * rng.normal(size=6)[levels] + rng.normal(size=60)

    def fit(sample_weight=None):
        return mode(levels[:, None], y, 0, sample_weight)

    return fit


@pytest.fixture
def quick(mode):
    """A model of a few rows: parameters in, fitted model out."""

    def fit(groups=None, sample_weight=None, **parameters):
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.normal(size=60), np.arange(60) % 6, np.arange(60) % 5])
        y = X[:, 0] + rng.normal(size=60) + 3 * rng.normal(size=6)[np.arange(60) % 6]
        return mode(X, y, groups, sample_weight, **parameters)

    return fit


def headings(page):
    return re.findall(r"<section[^>]*><h2>(.*?)</h2>", page)


def pictures(page):
    return re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="[^"]+"[^>]*>', page)


def test_sections_stand_in_order_with_links(page):
    assert headings(page) == SECTIONS
    anchors = re.findall(r'<a href="#([^"]+)">', page)
    assert [f'id="{anchor}"' in page for anchor in anchors] == [True] * len(SECTIONS)


def test_tables_hold_what_the_model_says(page, model):
    kappa = model.summary()["mean"].iloc[0]
    assert f'<td class="number">{kappa:.4g}</td>' in page
    assert page.count("<table>") == len(TABLES)
    assert re.findall(r"<summary>(.*?) <small>", page) == TABLES
    for check in model.diagnose()["check"]:
        assert f"<td>{check}</td>" in page


def test_an_outcome_in_a_column_is_that_outcome(intercepts, tmp_path):
    model, y = intercepts(), np.linspace(-5.0, 5.0, 60)
    X, column = (np.arange(60) % 6)[:, None], pd.DataFrame({"yield": y})
    with pytest.warns(DataConversionWarning, match="column-vector y") as warned:
        model.report(tmp_path / "column.html", X, column)
    assert [w.category for w in warned].count(DataConversionWarning) == 1
    model.report(tmp_path / "series.html", X, column["yield"])
    told = [(tmp_path / f"{name}.html").read_text("utf-8") for name in ("column", "series")]
    assert re.sub("<img[^>]*>", "", told[0]) == re.sub("<img[^>]*>", "", told[1])
    with pytest.raises(ValueError, match="y should be a 1d array"):
        model.report(tmp_path / "two.html", X, np.column_stack([y, y]))


def test_model_is_told_in_words_and_symbols(page):
    assert "Every coefficient varies by continent/country (16 levels)." in page
    assert "y_i ~ normal(x_i&#x27; beta_i, sigma)" in page
    assert "effects of continent/country: Cauchy(0, 2.5), cut at 0." in page


def test_pictures_are_images(page, model):
    found = pictures(page)
    assert len(found) == 2 + 1 + 2 * len(model.groups_) + len(model.coef_)
    assert all(base64.b64decode(picture).startswith(PNG) for picture in found)


def test_nothing_is_loaded_from_elsewhere(page):
    assert not re.search(r"<script src|<iframe|@import|url\(|fetch\(|XMLHttpRequest|import\(", page)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert """content="default-src 'none'; img-src data:;""" in page


def test_a_page_is_small(page):
    assert len(page) < 700_000


def test_no_advice_where_all_is_well(page, model, mode, tmp_path):
    assert model.diagnostics_.verdict == "pass"
    assert ">advice</th>" not in page
    assert '<div class="card pass"><h2>Sampling: pass</h2><p>The draws can be trusted.</p>' in page
    levels = np.arange(60) % 2  # which say little of how much levels differ
    few = mode(levels[:, None], levels + np.random.default_rng(0).normal(size=60), 0)
    few.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert ">advice</th>" in text
    assert len(few.diagnostics_.notes) == 1
    assert f"<h2>Sampling: {few.diagnostics_.verdict}, with 1 note</h2>" in text
    assert ">note</td>" in text.replace(' class="note"', "")
    top = text[: text.index("<nav>")]
    for message in (*few.diagnostics_.messages, *few.diagnostics_.notes):
        assert f"<dd>{escape(message)}</dd>" in top


def test_a_loaded_model_has_a_report_without_data_unless_given(intercepts, tmp_path):
    model = intercepts()
    skhlm.save(model, tmp_path / "m.skhlm")
    loaded = skhlm.load(tmp_path / "m.skhlm")
    loaded.report(tmp_path / "without.html")
    without = (tmp_path / "without.html").read_text("utf-8")
    assert "holds no training rows" in without
    X, y = rows_of_fit(model)
    loaded.report(tmp_path / "with.html", X, y)
    given = (tmp_path / "with.html").read_text("utf-8")
    assert len(pictures(given)) == len(pictures(without)) + 2


def test_curves_show_the_observed_points_of_their_levels(model, countries, monkeypatch):
    drawn = curves_drawn(model, monkeypatch)
    X, y = countries
    assert len(drawn) == 2
    for display in drawn:
        assert len(display.panels_) == 6
        middle = display.mean[display.panels_, len(display.grid) // 2]
        assert (np.diff(middle) >= 0).all()
        for name, points in zip(display.names[display.panels_], display.points_, strict=True):
            mine = X["country"] == name
            expected = np.column_stack([X.loc[mine, display.feature], y[mine]])
            assert sorted(points.get_xydata().tolist()) == sorted(expected.tolist())


def test_captions_say_which_curves_are_shown(page):
    told = "The expected outcome along decades; the other predictors at their means; 6 of 16 curves"
    assert f"<figcaption>{told}, from the lowest to the highest.</figcaption>" in page


@pytest.mark.parametrize("named", [True, False])
def test_rows_of_fit_are_those_given(countries, mode, named):
    X, y = countries
    given = X if named else X.to_numpy(dtype=object)
    groups = "continent/country" if named else (1, 0)
    model = mode(given, y, groups)
    rows, outcome = rows_of_fit(model)
    assert isinstance(rows, pd.DataFrame) == named
    assert sorted(map(tuple, np.column_stack([rows, outcome]).tolist())) == sorted(
        map(tuple, np.column_stack([given, y]).tolist())
    )


def test_rows_with_fractional_weights_are_not_replicated(intercepts, tmp_path):
    intercepts(np.full(60, 1.5)).report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "weights are no whole numbers" in text
    assert "Shrinkage" in headings(text)


def test_priors_are_told(quick):
    priors = {
        "kappa": {0: StudentT(4, 0, 2)},
        "tau": {"Intercept": Normal(0, 0.5)},
        "sigma": Normal(1, 3),
        "nu": Gamma(4, 0.125),
    }
    told = priors_in_words(quick(1, priors=priors, covariance="full"))
    assert told[:-1] == [
        "Prior of the population-level coefficients: normal(0, 10) for Intercept at the means, "
        "x2; t(4, 0, 2) for x0.",
        "Prior of the standard deviations tau of effects of 1: normal(0, 0.5) for Intercept at the "
        "means; Cauchy(0, 2.5) for x0, x2, cut at 0.",
        "Prior of their correlations: LKJ(2).",
        "Prior of the residual scale sigma: normal(1, 3), cut at 0.",
        "Prior of the degrees of freedom nu: gamma(4, 0.125), cut at 1.",
    ]
    assert told[-1] == (
        "They hold for the outcome and the predictors less their means and divided by their "
        "standard deviations; that of the intercept at the predictors' means."
    )
    plain = priors_in_words(quick(family="normal", autoscale=False, fit_intercept=False))
    assert len(plain) == 3
    assert plain[-1] == "They hold for the outcome and the predictors in their own units."


def test_labels_cannot_write_html(mode, tmp_path):
    X = np.column_stack([np.repeat(["<b>bold</b>", "b", "c", "d", "e"], 8)]).astype(object)
    y = np.random.default_rng(0).normal(size=40)
    model = mode(X, y, 0)
    model.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "&lt;b&gt;bold" in text
    assert "<b>bold" not in text
    assert headings(text) == [name for name in SECTIONS if name != "Response curves"]


def test_a_model_without_groups_has_no_sections_on_them(mode, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = X @ [1.0, -1.0] + rng.normal(size=60)
    model = mode(X, y, None)
    model.report(tmp_path / "r.html")
    found = headings((tmp_path / "r.html").read_text("utf-8"))
    assert found == [name for name in SECTIONS if name not in ("Shrinkage", "Group effects")]


def test_method_and_function_write_the_same(intercepts, tmp_path):
    model = intercepts()
    model.report(tmp_path / "method.html")
    skhlm.report(model, tmp_path / "function.html")
    assert (tmp_path / "method.html").read_text() == (tmp_path / "function.html").read_text()


def test_a_title_and_named_curves(model, tmp_path):
    model.report(tmp_path / "r.html", title="Wealth & <health>", features=["noise"])
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<title>Wealth &amp; &lt;health&gt;</title>" in text
    assert "<h1>Wealth &amp; &lt;health&gt;</h1>" in text
    assert "along noise" in text and "along decades" not in text
    assert "Curves along 1 of 2 predictors" in text


def test_the_run_is_told(page, model):
    told = dict(re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", page))
    assert told["algorithm"] == "nuts"
    assert told["chains"] == "2"
    assert told["draws of each chain"] == str(model.diagnostics_.n_draws)
    assert told["seed of the draws"] == str(model._fit.seed)
    assert told["skhlm"] == skhlm.__version__
    assert told["numpy"] == np.__version__
    assert float(told["seconds of fit"]) == pytest.approx(model._fit.seconds, rel=0.01)


def test_each_kind_of_parameter_is_told(page):
    assert re.findall(r"<dt>(.*?)</dt>", page) == ["kappa", "delta", "tau", "B", "sigma"]


def test_errors(model, countries, tmp_path):
    with pytest.raises(TypeError, match=r"got a Pipeline\. A report is about an HLMRegressor"):
        skhlm.report(make_pipeline(model), tmp_path / "r.html")
    with pytest.raises(NotFittedError):
        HLMRegressor().report(tmp_path / "r.html")
    with pytest.raises(ValueError, match="both X and y"):
        model.report(tmp_path / "r.html", countries[0])
    with pytest.raises(ValueError, match=r"no predictor 'decade'.*Did you mean 'decades'"):
        model.report(tmp_path / "r.html", features=["decade"])
    assert not (tmp_path / "r.html").exists()


def curves_drawn(model, monkeypatch):
    """The displays of a model's response curves in its report."""
    drawn = []

    def plot(self, *arguments, **settings):
        drawn.append(unchanged(self, *arguments, **settings))
        return self

    unchanged = skhlm.ResponseCurveDisplay.plot
    monkeypatch.setattr(skhlm.ResponseCurveDisplay, "plot", plot)
    monkeypatch.setattr(curves, "picture", lambda figure, _: str(pyplot.close(figure)))
    positions = model._spec.predictor_positions
    assert len(list(curves.curves(model, None, None, positions, named=False, room=10**7))) == 2
    return list({id(display): display for display in drawn}.values())


def test_a_report_that_fails_leaves_the_old_one(model, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(0o600)
    monkeypatch.setattr("os.fsync", _full)
    with pytest.raises(OSError, match="No space left") as caught:
        model.report(path)
    assert caught.value.filename == str(path)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("old", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def _full(_):
    raise OSError(28, "No space left on device")


def test_what_is_left_out_of_long_tables_is_said(levels_in_the_dozens, tmp_path, monkeypatch):
    for name in ("effects", "parameters"):
        monkeypatch.setattr(f"skhlm.html_report.sections.{name}.MOST_ROWS", 100)
    monkeypatch.setattr("skhlm.html_report.sections.curves._SAID", 10**9)  # no room is left
    levels_in_the_dozens.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    for method in ("shrinkage_factors", "group_effects"):
        assert f"The 50 levels of 300 with the most rows; model.{method}() has all of them." in text
    assert "The table has 50 of 300 combinations; model.coefficients() has all." in text
    assert "Curves along 0 of 1 predictors" in text


def test_levels_that_are_too_many_for_a_picture_are_thinned(levels_in_the_dozens, monkeypatch):
    for n_levels, n_drawn in ((300, 300), (299, 100)):
        monkeypatch.setattr(effects, "_MOST_DRAWN", n_levels)
        frame = levels_in_the_dozens.group_effects()
        means = frame["mean"].to_numpy().reshape(300, 2)
        levels, said = effects._legible(means[:, 0])
        drawn = effects._Found(frame, np.arange(300)).of(levels)
        assert len(drawn) == 2 * n_drawn
        assert said == (
            "" if n_drawn == 300 else "; 100 of 300 levels, from the lowest to the highest"
        )
        first = frame[frame["coefficient"] == "Intercept"]["mean"]
        kept = drawn[drawn["coefficient"] == "Intercept"]["mean"]
        assert (kept.min(), kept.max()) == (first.min(), first.max())
        assert drawn["level"].tolist() == [x for x in kept.index.map(frame["level"]) for _ in "ab"]
