"""The report: what it holds, and that a browser has nothing to complain of."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import skhlm
from skhlm import HLMRegressor

SECTIONS = [
    "Model",
    "Data",
    "Diagnosis",
    "Parameters",
    "Shrinkage",
    "Group effects",
    "Response curves",
]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def report(fitted, tmp_path_factory):
    """The report of the session's model: its path."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    fitted.report(path)
    return path


@pytest.fixture(scope="module")
def page(report):
    return report.read_text("utf-8")


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def pictures(page):
    return re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="[^"]+">', page)


def test_sections_stand_in_order_with_links(page):
    assert headings(page) == SECTIONS
    anchors = re.findall(r'<a href="#([^"]+)">', page)
    assert [f'id="{anchor}"' in page for anchor in anchors] == [True] * len(SECTIONS)


def test_tables_hold_what_the_model_says(page, fitted):
    kappa = fitted.summary()["mean"].iloc[0]
    assert f'<td class="number">{kappa:.4g}</td>' in page
    assert page.count("<table>") == 6
    for check in fitted.diagnose()["check"]:
        assert f"<td>{check}</td>" in page


def test_model_is_told_in_words_and_symbols(page):
    assert "Every coefficient varies by region/country (12 levels)." in page
    assert "y_i ~ student_t(nu, x_i&#x27; beta_i, sigma)" in page


def test_pictures_are_images(page, fitted):
    found = pictures(page)
    features = len(fitted.coef_)
    assert len(found) == 1 + 1 + 2 * len(fitted.groups_) + features
    assert all(base64.b64decode(picture).startswith(PNG) for picture in found)


def test_nothing_is_loaded_from_elsewhere(page):
    assert not re.search(r"<script|<iframe|@import|url\(", page)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_a_loaded_model_has_a_report_without_data_unless_given(fitted, campaigns, tmp_path):
    skhlm.save(fitted.compact(40), tmp_path / "m.skhlm")
    loaded = skhlm.load(tmp_path / "m.skhlm")
    loaded.report(tmp_path / "without.html")
    without = (tmp_path / "without.html").read_text("utf-8")
    assert "holds no training rows" in without
    X, y = campaigns
    loaded.report(tmp_path / "with.html", X, y)
    given = (tmp_path / "with.html").read_text("utf-8")
    assert len(pictures(given)) == len(pictures(without)) + 1


def test_labels_cannot_write_html(tmp_path):
    X = np.column_stack([np.repeat(["<b>bold</b>", "b", "c", "d", "e"], 8)]).astype(object)
    y = np.random.default_rng(0).normal(size=40)
    model = HLMRegressor(0, algorithm="map", iter_sampling=50, random_state=0).fit(X, y)
    model.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "&lt;b&gt;bold" in text
    assert "<b>bold" not in text
    assert headings(text) == [name for name in SECTIONS if name != "Response curves"]


def test_a_model_without_groups_has_no_sections_on_them(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = X @ [1.0, -1.0] + rng.normal(size=60)
    model = HLMRegressor(algorithm="map", iter_sampling=100, random_state=0).fit(X, y)
    model.report(tmp_path / "r.html")
    found = headings((tmp_path / "r.html").read_text("utf-8"))
    assert found == ["Model", "Data", "Diagnosis", "Parameters", "Response curves"]


def test_errors(fitted, campaigns, tmp_path):
    with pytest.raises(NotFittedError):
        HLMRegressor().report(tmp_path / "r.html")
    with pytest.raises(ValueError, match="both X and y"):
        fitted.report(tmp_path / "r.html", campaigns[0])
    assert not (tmp_path / "r.html").exists()


@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed (Debian: chromium)")
def test_a_browser_shows_it_and_stays_silent(report, page, tmp_path):
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
        "--virtual-time-budget=20000",
        "--dump-dom",
    ]
    seen = subprocess.run(
        [*command, counted.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    shown = re.search(r"<title>(\d+) pictures, (\d+) tables</title>", seen.stdout)
    assert shown is not None
    assert [int(number) for number in shown.groups()] == [
        len(pictures(page)),
        page.count("<table>"),
    ]
    silent = subprocess.run(
        [*command, report.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "CONSOLE" not in silent.stderr


# Counts what the browser has decoded and laid out; it is added for the test alone.
COUNT = """<script>
window.onload = () => {
  const shown = [...document.images].filter(i => i.complete && i.naturalWidth > 100).length;
  const tables = [...document.querySelectorAll("table")].filter(t => t.offsetHeight > 20).length;
  document.title = `${shown} pictures, ${tables} tables`;
};
</script>"""
