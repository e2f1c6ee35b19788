"""The site: Markdown pages, the reference from docstrings, and a gallery that is run when built."""

from __future__ import annotations

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
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "gallery"]
suppress_warnings = ["config.cache"]  # the gallery's sorting key cannot be pickled

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "_gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "matplotlib_animations": False,
}

html_theme = "furo"
html_title = "skhlm"
html_static_path: list[str] = []
