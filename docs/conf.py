"""The site: Markdown pages, the reference from docstrings, and a gallery that is run when built.

The source directory of Sphinx is the root of the project, so that links between pages lead the same
way here and where the code is hosted.
"""

from __future__ import annotations

from pathlib import Path

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
include_patterns = ["docs/**", "benchmarks/README.md", "skhlm/datasets/README.md", "*.md"]
exclude_patterns = [
    "README.md",
    "build",
    "docs/gallery",
    "docs/templates",
    "docs/_gallery/**/*.py",
    "docs/_gallery/**/*.ipynb",
    "docs/sg_execution_times.rst",
    "docs/_gallery/sg_execution_times.rst",
]
templates_path = [str(Path(__file__).with_name("templates"))]
suppress_warnings = ["config.cache"]  # the gallery's sorting key cannot be pickled

myst_heading_anchors = 3
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
html_show_sourcelink = False
html_additional_pages = {"index": "redirect.html"}


def _link_the_built_gallery(_app: Sphinx, _page: str, source: list[str]) -> None:
    """The gallery's page where it was built: its source is elsewhere."""
    source[0] = source[0].replace("gallery/GALLERY_HEADER.rst", "_gallery/index.rst")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _link_the_built_gallery)
