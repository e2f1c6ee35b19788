"""The site: Markdown pages, the reference from docstrings, and a gallery that is run when built.

The source directory of Sphinx is the root of the project, so that links between pages lead the same
way here and where the code is hosted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from math_core import LatexToMathML
from sphinx.application import Sphinx

import skhlm

project = "skhlm"
author = "the skhlm developers"
version = release = skhlm.__version__
copyright = "the skhlm developers, BSD-3-Clause"  # noqa: A001, Sphinx's own name

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "benchmarks/README.md",
    "benchmarks/results/*.md",
    "skhlm/datasets/README.md",
    "*.md",
]
exclude_patterns = [
    "README.md",
    "build",
    "docs/gallery",
    "docs/templates",
    "docs/_gallery/**/*.py",
    "docs/_gallery/**/*.ipynb",
]
templates_path = [str(Path(__file__).with_name("templates"))]
suppress_warnings = ["config.cache"]  # the gallery's sorting key cannot be pickled

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
highlight_language = "none"
autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"

sphinx_gallery_conf = {
    "examples_dirs": "docs/gallery",
    "gallery_dirs": "docs/_gallery",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "furo"
html_title = "skhlm"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
html_additional_pages = {"index": "redirect.html"}


def _adapt_page(_app: Sphinx, page: str, source: list[str]) -> None:
    """Links to scripts and to names lead to their pages; examples end without a blank line.

    Wide tables of results have the place of the right column.
    """
    if page.startswith("benchmarks/results/"):
        source[0] = "---\nhide-toc: true\n---\n\n" + source[0]
    source[0] = source[0].replace("(gallery/GALLERY_HEADER.rst)", "(_gallery/index.rst)")
    source[0] = re.sub(r"\(gallery/(\w+)\.py\)", r"(_gallery/\1.rst)", source[0])
    source[0] = re.sub(r"\[`([^`]+)`\]\(api\.md#(skhlm\.[\w.]+)\)", r"{py:obj}`\1 <\2>`", source[0])
    source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.M)


def _set_formulas(
    _app: Sphinx, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]
) -> None:
    """Indented paragraphs of a docstring are formulas: keep their lines."""
    kept: list[str] = []
    last = ""  # the last line that is not blank
    for line in lines:
        deeper = len(line) - len(line.lstrip()) >= len(last) - len(last.lstrip()) + 4
        if line and deeper and kept and not kept[-1] and not last.endswith("::"):
            margin = " " * (len(last) - len(last.lstrip()))
            kept += [f"{margin}::", ""]
        kept.append(line)
        last = line or last
    lines[:] = kept


def _say_labels(
    _app: Sphinx, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]
) -> None:
    """Labels of scikit-learn's own pages, in docstrings that are inherited, are words here."""
    lines[:] = [re.sub(r":ref:`(.*?) <\w+>`", r"\1", line) for line in lines]


def _write_formula(html: Any, formula: nodes.math | nodes.math_block) -> None:
    """Formulas become MathML, which browsers set by themselves: no script, no network."""
    block = isinstance(formula, nodes.math_block)
    mathml = LatexToMathML().convert_with_local_state(formula.astext(), displaystyle=block)
    html.body.append(mathml)
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_write_formula, None), (_write_formula, None))
    app.connect("source-read", _adapt_page)
    app.connect("autodoc-process-docstring", _say_labels, priority=100)
    app.connect("autodoc-process-docstring", _set_formulas, priority=100)  # before numpydoc
