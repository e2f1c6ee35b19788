"""Levels as rows of a picture, however many: what they are called, which labelled, how large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.displays.names import LONGEST, literal, shown, shown_apart
from skhlm.displays.panels import height_in_points
from skhlm.displays.style import MAX_LOOKS, OTHER, PALE, Look, look
from skhlm.inputs.columns import Label
from skhlm.inputs.labels import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_INCHES, _FRAME_INCHES, _PANEL_INCHES = 0.22, 1.2, 2.6
_LETTER = 0.065  # inches, of a small letter
LEGEND_MARKER = 6.0  # points, diameter of a marker in a legend
_LABEL_POINTS = 9.0  # height that a label needs


def level_names(levels: Sequence[tuple[Label, ...]]) -> list[str]:
    """Names of levels: their own values where these differ, else their whole paths."""
    own = [str(level[-1]) for level in levels]
    return own if len(set(own)) == len(own) else paths(levels)


def parent_names(levels: Sequence[tuple[Label, ...]]) -> list[str] | None:
    """Names of the levels of the next coarser factor; None at the top of a hierarchy."""
    if any(len(level) < 2 for level in levels):
        return None
    return paths([level[:-1] for level in levels])


def rows_size(
    n_panels: int, levels: Sequence[str], parents: Sequence[str] | None
) -> tuple[float, float]:
    """Width and height in inches of a figure with a row for each level, before the caps."""
    legend = 0.0 if parents is None else 0.5 + _LETTER * _most_letters(parents)
    width = 0.8 + _LETTER * _most_letters(levels) + _PANEL_INCHES * n_panels + legend
    return width, _FRAME_INCHES + _ROW_INCHES * max(len(levels), 5)


def label_rows(panels: Sequence[Axes], names: Sequence[str], factor: str | None) -> None:
    """Label the rows 0, 1, ..., from the bottom, or as many of them, evenly, as there is room."""
    first, n, labels = panels[0], len(names), shown_apart(names)
    rows = labelled_rows(n, int(height_in_points(first) / _LABEL_POINTS))
    for axes in panels:
        axes.set_ylim(-0.7, n - 0.3)
        axes.set_yticks(rows, [literal(labels[row]) for row in rows], fontsize=8)
        axes.tick_params(axis="y", labelleft=axes is first, length=2)
        axes.grid(axis="y", color=PALE, lw=0.3)
        axes.set_axisbelow(True)
    if factor is not None:
        first.set_ylabel(literal(f"{shown(factor)}\n({n} level{'s' * (n != 1)})"))


def labelled_rows(n: int, room: int) -> Ints:
    """At most ``room`` of n rows at equal steps from the top one, and always the bottom one."""
    step = -(-n // max(room, 2))
    rows = np.arange(n - 1, -1, -step)
    rows[-1] = 0
    return rows


def marker_size(axes: Axes, n_levels: int) -> float:
    """Diameter of a marker, in points, that fits into a row and still can be seen."""
    return float(np.clip(0.8 * height_in_points(axes) / max(n_levels, 1), 2.4, 6.0))


def row_line_width(axes: Axes, n_levels: int) -> float:
    """Width of a line, in points, that leaves a gap to the next row's."""
    return float(np.clip(0.35 * height_in_points(axes) / max(n_levels, 1), 0.6, 1.6))


def parent_looks(parents: Sequence[str] | None, n_levels: int) -> list[tuple[str, Look, Ints]]:
    """What each parent is called, how its levels are drawn, and which they are.

    Parents with most levels get looks of their own while there are any; all others share a grey.
    """
    if parents is None:
        return [("", look(0), np.arange(n_levels))]
    names, of_level, sizes = np.unique(np.asarray(parents), return_inverse=True, return_counts=True)
    if len(names) <= MAX_LOOKS:
        own = np.arange(len(names))
    else:
        own = np.sort(np.argsort(-sizes, kind="stable")[: MAX_LOOKS - 1])
    result = [
        (str(names[p]), look(i), np.flatnonzero(of_level == p)) for i, p in enumerate(own.tolist())
    ]
    rest = np.flatnonzero(~np.isin(of_level, own))
    if len(rest):
        result.append((f"{len(names) - len(own)} others", OTHER, rest))
    return result


def legend_names(looks: Sequence[tuple[str, Look, Ints]]) -> list[str]:
    """What a legend calls the parents, told apart."""
    return list(map(literal, shown_apart([name for name, _, _ in looks])))


def ordered_from_bottom(values: Floats) -> Ints:
    """Levels in increasing order of a value, those without one first; ties keep their order."""
    return np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")


def _most_letters(names: Sequence[str]) -> int:
    """Letters of the longest name, as short as it is shown."""
    return min(max(map(len, names), default=0), LONGEST)
