"""Pictures are drawn without a screen."""

from __future__ import annotations

from itertools import pairwise

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def assert_legible():
    """Check a drawn figure: nothing is cut off, no labels of one axis overlap."""
    return _assert_legible


def _assert_legible(figure):
    figure.canvas.draw()
    page = figure.bbox
    for axes in figure.axes:
        if not axes.axison:
            continue
        box = axes.get_tightbbox()
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1, "cut off at a side"
        assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, "cut off at the top or bottom"
        _assert_apart([label.get_window_extent() for label in _shown(axes.get_yticklabels())], "y")
        _assert_apart([label.get_window_extent() for label in _shown(axes.get_xticklabels())], "x")
    _assert_titles_apart(figure)


def _shown(labels):
    return [label for label in labels if label.get_visible() and label.get_text()]


def _assert_apart(boxes, axis):
    ends = sorted((getattr(box, f"{axis}0"), getattr(box, f"{axis}1")) for box in boxes)
    for (_, end), (start, _) in pairwise(ends):
        assert start >= end - 1.5, f"labels overlap along {axis}"


def _assert_titles_apart(figure):
    boxes = [
        axes.title.get_window_extent() for axes in figure.axes if axes.title.get_text().strip()
    ]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:i]), "titles overlap"
