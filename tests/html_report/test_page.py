"""What a page is made of: files of the package, one of them another's, nothing from elsewhere."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from skhlm.html_report import page

STATIC = Path(page.__file__).parent / "static"
VENDOR = STATIC / "vendor" / "uplot"
ROOT = STATIC.parents[2]


def test_uplot_is_as_npm_has_it():
    told = dict(re.findall(r"sha256 ([0-9a-f]{64})  (\S+)", (VENDOR / "README.md").read_text()))
    assert sorted(told.values()) == ["uPlot.iife.min.js", "uPlot.min.css"]
    for checksum, name in told.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == checksum
    version = re.search(r"# uPlot (\S+)", (VENDOR / "README.md").read_text()).group(1)
    assert f"| uPlot {version} | MIT |" in (ROOT / "THIRD_PARTY.md").read_text()
    assert "MIT License" in (VENDOR / "LICENSE").read_text()


def test_no_file_of_the_page_is_left_out_of_the_package():
    """Hatchling packs what git does not ignore."""
    files = [str(file.relative_to(ROOT)) for file in STATIC.rglob("*") if file.is_file()]
    assert len(files) == 8
    if not (ROOT / ".git").exists():
        pytest.skip("no repository, whose rules decide what is packed")
    ignored = subprocess.run(
        ["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ignored.stdout == ""


def test_scripts_cannot_end_their_element():
    for script in STATIC.rglob("*.js"):
        assert "</script" not in script.read_text("utf-8").lower()


def test_a_page_has_its_parts_in_order():
    sections = [page.Section("One part", [page.paragraph("a < b")]), page.Section("Two", [])]
    text = page.render("T & U", "said", [page.card("warn", "Careful", [])], sections)
    order = [
        "<title>T &amp; U</title>",
        '<div class="card warn">',
        "<nav>",
        'id="one-part"',
        "a &lt; b",
    ]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert '<a href="#one-part">One part</a>' in text


def test_terms_and_lists_are_no_html():
    assert page.terms([("<b>", "&")]) == "<dl><dt>&lt;b&gt;</dt><dd>&amp;</dd></dl>"
    assert page.bullets(["<i>"]) == "<ul><li>&lt;i&gt;</li></ul>"
    assert page.heading("a & b") == "<h3>a &amp; b</h3>"
