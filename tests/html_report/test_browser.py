"""The report in a browser: silent, sortable, searchable, drawn, and whole on paper.

Runs where Chromium and its driver are installed (Debian: chromium-driver).
"""

from __future__ import annotations

import base64
import io
import shutil
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib.pyplot")
pypdf = pytest.importorskip("pypdf")
webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium or no driver of it (Debian: chromium-driver)"
)
WIDTHS = (400, 1000, 1900)
SECONDS = 60  # to wait for what takes a fraction of one


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium that keeps what the console says."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def reports(model, levels_in_the_dozens, mode, tmp_path_factory):
    """Reports by what they are of, as addresses."""
    folder = tmp_path_factory.mktemp("reports")
    paths = {name: folder / f"{name}.html" for name in ("chains", "many", "few")}
    model.report(paths["chains"])
    levels_in_the_dozens.report(paths["many"])
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": ["A", "B"] * 20, "price": rng.normal(size=40)})
    mode(X, rng.normal(size=40), "shop").report(paths["few"])  # two levels, of which a check tells
    return {name: path.as_uri() for name, path in paths.items()}


def opened(browser, address, width=1000):
    """The page, once its scripts have run."""
    browser.set_window_size(width, 900)
    browser.get(address)
    ready = "return document.getElementById('explorer').dataset.ready === 'yes'"
    WebDriverWait(browser, SECONDS).until(lambda b: b.execute_script(ready))
    return browser


@pytest.mark.parametrize("name", ["chains", "many"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_silent_and_no_wider_than_the_window(browser, reports, name, width):
    opened(browser, reports[name], width)
    wide, window = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= window
    broken = "return [...document.images].filter(i => !(i.complete && i.naturalWidth > 100)).length"
    assert browser.execute_script(broken) == 0
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(("name", "wanted"), [("chains", "rhat"), ("few", "advice")])
def test_the_columns_that_matter_are_seen_at_1000_pixels(browser, reports, name, wanted):
    opened(browser, reports[name])
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    seen = browser.execute_script(SEEN)
    assert wanted in [title for title, _ in seen]
    assert [title for title, inside in seen if not inside] == []


# Headings of such columns, and whether they are inside what is shown without scrolling.
SEEN = """
return [...document.querySelectorAll(".wide th")]
  .filter(th => ["advice", "rhat", "source", "verdict"].includes(th.textContent))
  .map(th => [th.textContent, th.getBoundingClientRect().right
    <= th.closest(".wide").getBoundingClientRect().right + 1]);
"""


def test_legends_have_no_stray_colon(browser, reports):
    opened(browser, reports["chains"])
    after = "return getComputedStyle(document.querySelector('.u-legend th'), '::after').content"
    assert browser.execute_script(after) == "none"


@pytest.mark.parametrize("name", ["chains", "many"])
def test_every_table_is_sortable(browser, reports, name):
    opened(browser, reports[name])
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    tables = browser.find_elements(By.CSS_SELECTOR, "details.table")
    assert len(tables) >= 13
    for table in tables:
        head = table.find_elements(By.TAG_NAME, "th")[-1]  # a column of numbers, or of texts
        is_number = "number" in (head.get_attribute("class") or "")
        for direction, sign in (("ascending", 1), ("descending", -1)):
            browser.execute_script("arguments[0].querySelector('button').click()", head)
            WebDriverWait(browser, SECONDS).until(
                lambda _, h=head, d=direction: h.get_attribute("aria-sort") == d
            )
            shown = browser.execute_script(LAST_COLUMN, table)
            if is_number:
                values = np.array([float(text) for text in shown if text])
                assert (np.diff(sign * values) >= 0).all()
                assert "" not in shown[: len(values)]  # what is unknown comes last
            else:
                assert shown == browser.execute_script(IN_ORDER, shown, sign)
    assert browser.get_log("browser") == []


IN_ORDER = """
const words = new Intl.Collator("en", { numeric: true });
return [...arguments[0]].sort((a, b) => arguments[1] * words.compare(a, b));
"""
LAST_COLUMN = """
return [...arguments[0].querySelectorAll("tbody tr")].map(tr => tr.lastElementChild.textContent)
"""


def test_a_long_table_is_whole_and_searched(browser, reports, levels_in_the_dozens):
    opened(browser, reports["many"])
    (table,) = [
        t
        for t in browser.find_elements(By.CSS_SELECTOR, "details.table")
        if t.find_element(By.TAG_NAME, "summary").text.startswith("Effects of shop")
    ]
    table.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(browser, SECONDS).until(lambda _: "100 of 600 rows" in table.text)
    rows = "return arguments[0].querySelectorAll('tbody tr').length"
    assert browser.execute_script(rows, table) == 100
    table.find_element(By.CSS_SELECTOR, ":scope > button").click()
    assert browser.execute_script(rows, table) == 600
    table.find_element(By.TAG_NAME, "input").send_keys("SHOP 299")
    WebDriverWait(browser, SECONDS).until(lambda _: "2 of 600 rows" in table.text)
    assert browser.execute_script(rows, table) == 2
    effects = levels_in_the_dozens.group_effects()
    told = browser.execute_script("return arguments[0].querySelector('tbody').innerText", table)
    for mean in effects.loc[effects["level"] == ("shop 299",), "mean"]:
        assert f"{mean:.4g}" in told


def test_two_clicks_draw_a_pair(browser, reports):
    opened(browser, reports["chains"])
    charts = "#explorer .charts:not(.pair) .chart h4"
    titles = [title.text for title in browser.find_elements(By.CSS_SELECTOR, charts)]
    assert titles == ["Trace", "Density", "Ranks", "Autocorrelation", "Running mean"]
    assert not browser.find_elements(By.CSS_SELECTOR, ".pair .chart")
    first, second = browser.find_elements(By.CSS_SELECTOR, "#explorer select")
    option_of(first, "sigma").click()
    option_of(second, "tau[continent/country, decades]").click()
    (title,) = browser.find_elements(By.CSS_SELECTOR, ".pair .chart h4")
    assert title.text == "tau[continent/country, decades] against sigma"
    inked = browser.execute_script(INKED)
    assert len(inked) == 1 + 5 + 1  # the pair, the charts of sigma, the energies
    assert min(inked) > 500
    assert browser.get_log("browser") == []


def option_of(select, name):
    """The option of this name."""
    (found,) = [o for o in select.find_elements(By.TAG_NAME, "option") if o.text == name]
    return found


# Pixels of each chart that are in colour: neither white nor the grey of its grid.
INKED = """
return [...document.querySelectorAll(".chart canvas")].map(canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4)
    n += data[i + 3] > 0 && Math.max(data[i], data[i + 1], data[i + 2]) -
      Math.min(data[i], data[i + 1], data[i + 2]) > 40;
  return n;
});
"""


def test_a_parameter_is_found_by_a_word(browser, reports):
    opened(browser, reports["chains"])
    select = browser.find_elements(By.CSS_SELECTOR, "#explorer select")[0]
    browser.find_elements(By.CSS_SELECTOR, "#explorer input")[0].send_keys("afghan")
    names = [option.text for option in select.find_elements(By.TAG_NAME, "option")]
    assert [name.partition(",")[0] for name in names] == ["Asia/Afghanistan"] * 3
    select.find_elements(By.TAG_NAME, "option")[2].click()
    label = browser.execute_script("return document.querySelector('#explorer select').value")
    assert label != "0"


def test_independent_draws_have_a_density_alone(browser, reports):
    opened(browser, reports["many"])
    titles = browser.find_elements(By.CSS_SELECTOR, "#explorer .chart h4")
    assert [title.text for title in titles] == ["Density"]


@pytest.mark.parametrize("name", ["chains", "many"])
def test_paper_has_every_column(browser, reports, name):
    opened(browser, reports[name])
    heads = browser.execute_script(
        "return [...document.querySelectorAll('details.table')].map("
        "d => [...d.querySelectorAll('th')].map(th => th.textContent))"
    )
    printed = browser.execute_cdp_cmd(
        "Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True}
    )
    pages = pypdf.PdfReader(io.BytesIO(base64.b64decode(printed["data"]))).pages
    width, height = map(float, pages[0].mediabox[2:])
    assert (width, height) == pytest.approx((595, 842), abs=2)  # A4, in points
    letters, lines = [], []
    for page in pages:
        page.extract_text(visitor_text=lambda text, *where: letters.append((text, _at(*where))))
        lines.append(page.extract_text())
    assert max(x for text, x in letters if text.strip()) < width - 34 + 2  # the margin, 12 mm
    told = normalize("NFKC", "".join("".join(lines).split()))  # no line ends, no ligatures
    for columns in heads:
        assert normalize("NFKC", "".join("".join(columns).split())) in told
    opened_again = "return document.querySelectorAll('details:not([open])').length"
    assert browser.execute_script(opened_again) > 0  # folded as before


def _at(user_matrix, text_matrix, *_):
    """Where a text begins, in points from the left of the page."""
    return user_matrix[0] * text_matrix[4] + user_matrix[2] * text_matrix[5] + user_matrix[4]
