"""The report: what it holds, and that a browser has nothing to complain of."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import warnings
from html import escape

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.pipeline import make_pipeline

import skhlm
from skhlm import HLMRegressor
from skhlm.datasets import load_gapminder
from skhlm.html_report import write
from skhlm.html_report.rows import rows_of_fit
from skhlm.html_report.words import priors_in_words
from skhlm.priors import Gamma, Normal, StudentT

SECTIONS = [
    "Model",
    "Data",
    "Diagnosis",
    "Parameters",
    "Shrinkage",
    "Group effects",
    "Response curves",
]
pyplot = pytest.importorskip("matplotlib.pyplot")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def countries():
    """Some countries of three continents."""
    X, y = load_gapminder(return_X_y=True)
    chosen = X["country"].isin(X["country"].unique()[:16])
    X = X[["country", "continent"]].assign(decades=(X["year"] - 1980) / 10, noise=X["year"] % 7)
    return X[chosen], y[chosen]


@pytest.fixture(scope="module")
def model(countries):
    """A model of them, with two chains."""
    model = HLMRegressor("continent/country", family="normal", chains=2, random_state=0)
    return model.fit(*countries)


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
def intercepts():
    """A model of six intercepts and no predictor, whose report is short."""
    levels, rng = np.arange(60) % 6, np.random.default_rng(0)
    y = 3 * rng.normal(size=6)[levels] + rng.normal(size=60)

    def fit(sample_weight=None):
        return mode(levels[:, None], y, 0, sample_weight)

    return fit


@pytest.fixture
def quick():
    """A model of a few rows: parameters in, fitted model out."""

    def fit(groups=None, sample_weight=None, **parameters):
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.normal(size=60), np.arange(60) % 6, np.arange(60) % 5])
        y = X[:, 0] + rng.normal(size=60) + 3 * rng.normal(size=6)[np.arange(60) % 6]
        return mode(X, y, groups, sample_weight, **parameters)

    return fit


def mode(X, y, groups, sample_weight=None, **parameters):
    """A model by its mode, however far that is from the posterior: it is written all the same."""
    model = HLMRegressor(groups, algorithm="map", iter_sampling=100, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, sample_weight)


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def pictures(page):
    return re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="[^"]+"[^>]*>', page)


def test_sections_stand_in_order_with_links(page):
    assert headings(page) == SECTIONS
    anchors = re.findall(r'<a href="#([^"]+)">', page)
    assert [f'id="{anchor}"' in page for anchor in anchors] == [True] * len(SECTIONS)


def test_tables_hold_what_the_model_says(page, model):
    kappa = model.summary()["mean"].iloc[0]
    assert f'<td class="number">{kappa:.4g}</td>' in page
    assert page.count("<table>") == 6
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
    assert len(found) == 1 + 1 + 2 * len(model.groups_) + len(model.coef_)
    assert all(base64.b64decode(picture).startswith(PNG) for picture in found)


def test_nothing_is_loaded_from_elsewhere(page):
    assert not re.search(r"<script|<iframe|@import|url\(", page)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_a_page_is_small(page):
    assert len(page) < 500_000


def test_no_advice_where_all_is_well(page, model, tmp_path):
    assert model.diagnostics_.verdict == "pass"
    assert "advice" not in page
    few = two_levels()
    few.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert ">advice</th>" in text
    assert len(few.diagnostics_.notes) == 1
    assert ", with 1 note." in text
    assert ">note</td>" in text.replace(' class="note"', "")
    for message in (*few.diagnostics_.messages, *few.diagnostics_.notes):
        assert escape(message) in text


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
    assert len(pictures(given)) == len(pictures(without)) + 1


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
def test_rows_of_fit_are_those_given(countries, named):
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


def test_labels_cannot_write_html(tmp_path):
    X = np.column_stack([np.repeat(["<b>bold</b>", "b", "c", "d", "e"], 8)]).astype(object)
    y = np.random.default_rng(0).normal(size=40)
    model = mode(X, y, 0)
    model.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "&lt;b&gt;bold" in text
    assert "<b>bold" not in text
    assert headings(text) == [name for name in SECTIONS if name != "Response curves"]


def test_a_model_without_groups_has_no_sections_on_them(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = X @ [1.0, -1.0] + rng.normal(size=60)
    model = mode(X, y, None)
    model.report(tmp_path / "r.html")
    found = headings((tmp_path / "r.html").read_text("utf-8"))
    assert found == ["Model", "Data", "Diagnosis", "Parameters", "Response curves"]


def test_method_and_function_write_the_same(intercepts, tmp_path):
    model = intercepts()
    model.report(tmp_path / "method.html")
    skhlm.report(model, tmp_path / "function.html")
    assert (tmp_path / "method.html").read_text() == (tmp_path / "function.html").read_text()


def test_errors(model, countries, tmp_path):
    with pytest.raises(TypeError, match=r"got a Pipeline\. A report is about an HLMRegressor"):
        skhlm.report(make_pipeline(model), tmp_path / "r.html")
    with pytest.raises(NotFittedError):
        HLMRegressor().report(tmp_path / "r.html")
    with pytest.raises(ValueError, match="both X and y"):
        model.report(tmp_path / "r.html", countries[0])
    assert not (tmp_path / "r.html").exists()


@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed (Debian: chromium)")
def test_a_browser_shows_it_and_stays_silent(page, tmp_path):
    counted = tmp_path / "counted.html"
    counted.write_text(page.replace("</body>", f"{COUNT}</body>"), "utf-8")
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile",
        "--enable-logging=stderr",
        "--v=0",
        "--window-size=500,900",
        "--virtual-time-budget=20000",
        "--dump-dom",
    ]
    seen = subprocess.run(
        [*command, counted.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    shown = re.search(r"<title>(\d+) pictures, (\d+) tables, (\d+) too wide<", seen.stdout)
    assert shown is not None
    assert [int(number) for number in shown.groups()] == [
        len(pictures(page)),
        page.count("<table>"),
        0,
    ]
    assert "CONSOLE" not in seen.stderr


def two_levels():
    """A model of two levels, which say little of how much levels differ."""
    levels = np.arange(60) % 2
    return mode(levels[:, None], levels + np.random.default_rng(0).normal(size=60), 0)


def curves_drawn(model, monkeypatch):
    """The displays of a model's response curves in its report."""
    drawn = []

    def plot(self, *arguments, **settings):
        drawn.append(unchanged(self, *arguments, **settings))
        return self

    unchanged = skhlm.ResponseCurveDisplay.plot
    monkeypatch.setattr(skhlm.ResponseCurveDisplay, "plot", plot)
    monkeypatch.setattr(write, "picture", lambda figure, _: str(pyplot.close(figure)))
    assert len(list(write._curves(model, None, None))) == 2
    return list({id(display): display for display in drawn}.values())


# Counts what the browser has decoded and laid out, and by how much a narrow page would have to be
# moved sideways; it is added for the test alone.
COUNT = """<script>
window.onload = () => {
  const shown = [...document.images].filter(i => i.complete && i.naturalWidth > 100).length;
  const tables = [...document.querySelectorAll("table")].filter(t => t.offsetHeight > 20).length;
  const wide = Math.max(0, document.documentElement.scrollWidth - window.innerWidth);
  document.title = `${shown} pictures, ${tables} tables, ${wide} too wide`;
};
</script>"""


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
