"""What the papers say is so: the README's example, every link, the map of the source."""

from __future__ import annotations

import doctest
import json
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import skhlm
from benchmarks.data_sets import DATA_SETS
from benchmarks.peers.record import read_records
from benchmarks.report import read_result
from skhlm import datasets, exceptions, priors, scorers

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/**/README.md"))
    if not {".venv", "build"} & set(page.relative_to(ROOT).parts)
)
BLOCK = re.compile(r"```python\n(.*?)```", re.S)
NUMBER = re.compile(r"-?\d+\.\d*")
_EXAMPLES = {"logistic", "name"}  # of files that a recipe tells to write


def _text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


class ToLastDigit(doctest.OutputChecker):
    """Numbers with a decimal point may differ by 1 in their last digit, and whole ones not at all.

    Draws differ between machines. An example rounds to a digit of which Monte Carlo error is a
    fifth at most, so that rounding, which may go either way, is all that can differ: five standard
    errors and more, 1e-6 for a number. Zeros at the end are places that the example rounded to.
    """

    def check_output(self, want: str, got: str, _flags: int) -> bool:
        numbers = zip(NUMBER.findall(want), NUMBER.findall(got), strict=False)
        words = [NUMBER.sub("number", text).split() for text in (want, got)]
        return words[0] == words[1] and all(_close(*pair) for pair in numbers)


def _close(want: str, got: str) -> bool:
    unit = min(_unit(want), _unit(got))
    return bool(np.isclose(float(want), float(got), rtol=0, atol=1.001 * unit))


def _unit(number: str) -> float:
    """What 1 in the last digit that is not zero means: 0.1 in "1.20", 10 in "250."."""
    whole, _, decimals = number.partition(".")
    decimals = decimals.rstrip("0")
    zeros = len(whole) - len(whole.rstrip("0")) if not decimals else 0
    return float(10.0 ** (zeros - len(decimals)))


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(_text(page))])
def test_examples_of_a_page_print_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for the files that an example writes
    report: list[str] = []
    runner = doctest.DocTestRunner(checker=ToLastDigit(), optionflags=doctest.ELLIPSIS)
    names: dict[str, object] = {}  # a page is one session
    for block in BLOCK.findall(_text(page)):
        example = doctest.DocTestParser().get_doctest(block, names, page, page, 0)
        assert example.examples, f"a block without >>>: {block}"
        runner.run(example, out=report.append, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize(
    ("got", "same"),
    [
        ("mean 1.2 of 3 [250. -0.]\n", True),
        ("mean  1.3 of 3 [240. 0.]\n", True),
        ("mean 1.4 of 3 [250. 0.]\n", False),
        ("mean 1.2 of 3 [253. 0.]\n", False),
        ("mean 1.2 of 4 [250. 0.]\n", False),
        ("sd 1.2 of 3 [250. 0.]\n", False),
    ],
)
def test_numbers_of_an_example_are_compared_to_their_last_digit(got, same):
    assert ToLastDigit().check_output("mean 1.2 of 3 [250. 0.]\n", got, 0) is same


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_code_are_seen_whole(page):
    """The site shows 100 characters at 1,366 pixels, without scrolling."""
    fence = re.compile(r"^```(.*?)\n(.*?)^```", re.M | re.S)
    fenced = [code for kind, code in fence.findall(_text(page)) if not kind.startswith("{")]
    indented = re.findall(r"(?<=\n\n)(?: {4}\S.*\n)+", fence.sub("", _text(page)))
    lines = "".join(
        [*fenced, *(re.sub("^    ", "", code, flags=re.M) for code in indented)]
    ).splitlines()
    assert [line for line in lines if len(line) > 100] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = _text(page)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith("https://"):
            assert ((ROOT / page).parent / target).exists(), target


def test_troubleshooting_quotes_what_errors_say():
    sources = [*ROOT.glob("skhlm/**/*.py"), ROOT / "stan" / "build.py"]
    said = "".join(path.read_text("utf-8") for path in sources)
    said = re.sub(r'"\s+f?"', "", said)  # literals side by side
    cells = "".join(re.findall(r"^\| (.*?) \|", _text("docs/installation.md"), re.M))
    quoted = re.findall(r'"([^"]+)"', re.sub("`.*?`", "", cells))
    assert len(quoted) > 10
    assert [words for words in quoted if words not in said] == []


def test_algorithms_has_the_table_that_was_measured():
    measured = _text("benchmarks/results/algorithms.md").partition("## Where")[0]
    page = re.search("<!-- measured -->(.*)<!-- end", _text("docs/algorithms.md"), re.S)
    assert page is not None
    assert re.findall("^[|].*", page[1], re.M) == re.findall("^[|].*", measured, re.M)


def test_benchmarks_tells_what_was_measured():
    """Ratios and seconds of the page, from the records of the measurements."""
    results = [read_result(data.key, RESULTS) for data in DATA_SETS]
    page = _text("docs/benchmarks.md")
    gains = [result.gain for result in results if result.plain is not None]
    assert f"Of {len(gains)} fits" in page
    assert f"{min(gains):.0f} times" in page
    assert f"{max(gains):,.0f} times" in page
    near = [result.gain for result in results if result.plain and result.plain.max_rhat < 1.02]
    assert f"{min(near):.0f} to {max(near):.0f}" in page
    large = [r.default_fit_seconds for r in results if r.data_set.startswith("M/")]
    named = {"gapminder/student_t": "5.9"}
    small = [
        result.default_fit_seconds
        for result in results
        if result.data_set not in named and not result.data_set.startswith("M/")
    ]
    for seconds in (small, large):
        assert f"{min(seconds):.1f} to {max(seconds):.1f}" in " ".join(page.split())
    for result in results:
        if result.data_set in named:
            assert f"{result.default_fit_seconds:.1f}" == named[result.data_set]
            assert named[result.data_set] in page


def test_ratios_under_the_same_priors_are_those_that_were_measured():
    least = {}
    for record in json.loads(_text("benchmarks/results/equal_priors.json")).values():
        ours, peer = record["ours"], record["peer"]
        for name, before in (("all", 0), ("sampling", 1)):
            rates = [
                run["min_ess"] / (run["cpu_seconds"] - before * run["cpu_seconds_before"])
                for run in (ours, peer)
            ]
            least[name] = min(least.get(name, np.inf), rates[0] / rates[1])
    for page in ("docs/benchmarks.md", "docs/other-packages.md"):
        assert f"had {least['all']:.0f} times as many" in " ".join(_text(page).split())
        assert f"{least['sampling']:.0f} times and more with imports" in " ".join(
            _text(page).split()
        )


def test_seconds_of_other_packages_are_those_that_were_measured():
    """To two digits, on the page as in the sentences here."""
    told = {
        case: {
            name.replace(", ", "_"): f"{record.seconds:.{2 if record.seconds < 99.5 else 3}g}"
            for name, record in of_case.items()
            if record.seconds is not None
        }
        for case, of_case in read_records(RESULTS / "peers.json").items()
    }
    sentences = {
        "levels-100000/normal": "take gpboost {gpboost} seconds, lme4 {lme4} and skhlm {skhlm};",
        "InstEval/normal": "takes them {gpboost}, {lme4} and {skhlm}.",
        "M/normal": "takes skhlm {skhlm} seconds, gpboost {gpboost}, lme4 {lme4}, and statsmodels",
        "M/student_t": "with Student-t residuals skhlm {skhlm} and gpboost {gpboost}.",
        "levels-2000/normal": (
            "nutpie takes {bambi_nutpie} seconds for 2,000 levels, for which skhlm takes {skhlm},"
        ),
        "S/normal": "and {bambi_nutpie} for S, for which skhlm takes {skhlm};",
        "L/normal": "L, ten times the rows, takes skhlm {skhlm} and gpboost {gpboost}.",
    }
    page = " ".join(_text("docs/benchmarks.md").split())
    for case, sentence in sentences.items():
        assert sentence.format(**told[case]) in page


def test_the_reference_has_everything_public():
    listed = set(re.findall(r"^   (\w+)$", _text("docs/api.md"), re.M))
    public = {name for module in (skhlm, datasets, priors) for name in module.__all__}
    for module in (exceptions, scorers):
        public |= {
            name
            for name, thing in vars(module).items()
            if isinstance(thing, type) and thing.__module__ == module.__name__
        }
    assert listed == public - {"__version__", "Scorer", "Message"}


@pytest.mark.parametrize("page", PAGES)
def test_links_to_the_reference_name_what_it_has(page):
    modules = re.split(r"currentmodule:: ([\w.]+)", _text("docs/api.md"))[1:]
    listed = {
        f"{module}.{name}"
        for module, entries in zip(modules[::2], modules[1::2], strict=True)
        for name in re.findall(r"^   ([\w.]+)$", entries, re.M)
    }
    for text, name in re.findall(r"\[([^\]]*)\]\(api\.md#(skhlm[\w.]*)\)", _text(page)):
        assert re.fullmatch("`[^`]+`", text), f"one piece of code is a link, not {text}"
        assert name in listed or name.rpartition(".")[0] in listed, name
        assert pkgutil.resolve_name(name).__doc__, name


def test_extras_that_are_named_are_there():
    """In brackets behind the package's name, or behind that of a directory or a wheel."""
    extras = re.search(
        r"^\[project.optional-dependencies\]\n(.*?)^\[", _text("pyproject.toml"), re.S | re.M
    )
    there = set(re.findall(r"^(\w+) = ", extras[1], re.M))
    pages = [
        *PAGES,
        "Makefile",
        *(p.relative_to(ROOT).as_posix() for p in ROOT.glob("skhlm/**/*.py")),
    ]
    named = [re.findall(r"(?:skhlm|'\.)\[([a-z,]+)\]", _text(page)) for page in pages]
    assert {extra for found in named for words in found for extra in words.split(",")} <= there
    assert {"plot", "arviz", "release"} <= there


def test_contributing_names_every_room():
    rooms = {
        path.parent.relative_to(ROOT).as_posix() + "/"
        for path in (*ROOT.glob("skhlm/*/**/*.py"), *ROOT.glob("stan/**/*.hpp"))
        if "__pycache__" not in path.parts
    }
    rooms |= {"stan/", "tests/", "benchmarks/", "docs/", "release/"}
    pattern = r"`((?:skhlm|stan|tests|benchmarks|docs|release)/[\w/]*)`"
    named = re.findall(pattern, _text("CONTRIBUTING.md"))
    assert rooms <= set(named)


def test_contributing_names_nothing_that_is_not_there():
    text = _text("CONTRIBUTING.md")
    for path in re.findall(r"`((?:skhlm|stan|tests|benchmarks|docs|release)/[\w/.]+)`", text):
        assert (ROOT / path).exists() or Path(path).stem.removeprefix("test_") in _EXAMPLES, path


def test_contributing_draws_the_layers_that_are_checked():
    pattern = r"^layers = \[\n(.*?)^\]"
    layers = re.search(pattern, _text("pyproject.toml"), re.S | re.M)
    assert layers is not None
    drawn = [f"    {line}" for line in re.findall(r'"(.*)"', layers[1].replace("skhlm.", ""))]
    assert "\n".join(["", *drawn, ""]) in _text("CONTRIBUTING.md")
