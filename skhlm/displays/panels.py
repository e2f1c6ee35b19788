"""Axes to draw on: those that are given, or a new figure of a size that holds what is drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skhlm.displays.names import literal
from skhlm.displays.ticks import plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

MAX_WIDTH, MAX_HEIGHT = 16.0, 12.0  # inches: what a screen or a page still shows
_MAX_ROW = 4.0  # inches of each of so many rows of panels that they need more than a page
_LETTER = 0.075  # inches, of a letter in a title or a label
_BREAKS = re.compile(r"(?<=[ _/,.:;-])(?! )")  # where a line may end
_EQUALS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"

Sharing = Literal["none", "all"]


def check_matplotlib(caller: str) -> None:
    """Raise an ImportError that names the extra if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib, which is not installed. It comes with the extra "
            "'plot': pip install 'skhlm[plot]'."
        ) from error


def grid_shape(n_panels: int, most_columns: int = 4) -> tuple[int, int]:
    """Rows and columns of a grid that holds so many panels."""
    columns = min(n_panels, most_columns)
    if n_panels > columns:
        columns = min(most_columns, int(np.ceil(np.sqrt(n_panels))))
    return -(-n_panels // columns), columns


def open_panels(
    caller: str,
    ax: Any,
    n_panels: int,
    shape: tuple[int, int],
    size: tuple[float, float],
    *,
    sharex: Sharing = "none",
    sharey: Sharing = "none",
) -> list[Axes]:
    """As many axes as there are panels.

    Parameters
    ----------
    caller : str
        Whose method draws, for messages.
    ax : Axes, array-like of Axes or None
        One Axes holds a single panel, or bounds several; an array has one for each panel; None is
        a new figure.
    n_panels : int
    shape : (int, int)
        Rows and columns of panels; those left over stay empty.
    size : (float, float)
        Width and height of a new figure in inches, before the caps. Of many rows of panels it may
        be higher than a page.
    sharex, sharey : {"none", "all"}
        As in `matplotlib.pyplot.subplots`.
    """
    check_matplotlib(caller)
    from matplotlib.axes import Axes

    if ax is None:
        return _new_figure(n_panels, shape, size, sharex, sharey)
    if isinstance(ax, Axes):
        return [ax] if n_panels == 1 else _divide(caller, ax, n_panels, shape, sharex, sharey)
    given = np.asarray(ax, dtype=object).ravel().tolist()
    if len(given) != n_panels or not all(isinstance(one, Axes) for one in given):
        raise ValueError(
            f"{caller}: ax must be None, one matplotlib Axes, or {n_panels} of them, one for each "
            f"panel; got {len(given)} object(s), the first a {type(given[0]).__name__}."
            if given
            else f"{caller}: ax is empty; give {n_panels} Axes, one for each panel, or None."
        )
    return given


def figure_of(axes: Axes) -> Figure:
    """The figure that holds the axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # only removed axes have none
    return figure


def height_in_points(axes: Axes) -> float:
    """Height of the axes in points, before the layout is computed."""
    return float(axes.get_position().height * figure_of(axes).get_figheight() * 72)


def tidy(axes: Axes) -> None:
    """No frame at the top and at the right; ticks that are the numbers themselves."""
    axes.spines[["top", "right"]].set_visible(False)
    plain_ticks(axes)


def name_panel(axes: Axes, title: str, xlabel: str | None = None) -> None:
    """Title and label of the x axis, in lines that are not wider than the axes."""
    axes.set_title(literal(_wrapped(title, _letters_along(axes))), fontsize=9)
    if xlabel is not None:
        label_axes(axes, x=xlabel, fontsize=9)


def label_axes(axes: Axes, x: str | None = None, y: str | None = None, **settings: Any) -> None:
    """Labels of the axes, in lines that are not longer than these."""
    if x is not None:
        axes.set_xlabel(literal(_wrapped(x, _letters_along(axes))), **settings)
    if y is not None:
        letters = max(int(height_in_points(axes) / 72 / _LETTER), 12)
        axes.set_ylabel(literal(_wrapped(y, letters)), **settings)


def legend_beside(axes: Axes, **settings: Any) -> Legend:
    """Legend to the right of the axes, where it covers nothing.

    In a figure whose layout nobody adjusts there may be no room for it: there it is inside.
    """
    settings = {"frameon": False, "fontsize": 8, "title_fontsize": 8, **settings}
    if figure_of(axes).get_layout_engine() is None:
        return axes.legend(**{**settings, "loc": "best", "frameon": True})
    return axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, **settings)


def _letters_along(axes: Axes) -> int:
    """Letters of a title or label that are about as wide as the axes."""
    width = axes.get_position().width * figure_of(axes).get_figwidth()
    return max(int(width / _LETTER), 12)


def _wrapped(text: str, width: int) -> str:
    """Text in lines of at most so many letters, broken between words or their parts.

    No equation is broken, and a word is where nothing else will do.
    """
    whole = text.replace(" = ", _EQUALS)
    lines = [part for line in whole.split("\n") for part in _filled(_BREAKS.split(line), width)]
    return "\n".join(lines).replace(_EQUALS, " = ") or " "


def _filled(pieces: list[str], width: int) -> list[str]:
    """Lines of pieces one after the other, of at most so many letters."""
    lines = [""]
    for piece in pieces:
        if len(lines[-1]) + len(piece.rstrip(" ")) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip(" ")) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [line.rstrip(" ") for line in lines if line.strip()]


def _new_figure(
    n_panels: int,
    shape: tuple[int, int],
    size: tuple[float, float],
    sharex: Sharing,
    sharey: Sharing,
) -> list[Axes]:
    """A figure of panels, no larger than the caps."""
    from matplotlib import pyplot as plt

    figsize = (min(size[0], MAX_WIDTH), min(size[1], max(MAX_HEIGHT, _MAX_ROW * shape[0])))
    _, axes = plt.subplots(
        *shape, figsize=figsize, squeeze=False, sharex=sharex, sharey=sharey, layout="constrained"
    )
    panels = axes.ravel().tolist()
    for empty in panels[n_panels:]:
        empty.remove()
    return panels[:n_panels]


def _divide(
    caller: str,
    bounds: Axes,
    n_panels: int,
    shape: tuple[int, int],
    sharex: Sharing,
    sharey: Sharing,
) -> list[Axes]:
    """Panels within the bounds of one Axes, as scikit-learn's partial dependence has them."""
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    place = bounds.get_subplotspec()
    if place is None:
        raise ValueError(
            f"{caller}: there are {n_panels} panels, and this Axes is not a subplot that could be "
            f"divided. Give an array of {n_panels} Axes."
        )
    bounds.set_axis_off()
    grid = GridSpecFromSubplotSpec(*shape, subplot_spec=place)
    figure = figure_of(bounds)
    panels: list[Axes] = []
    for i in range(n_panels):
        first = panels[0] if panels else None
        panels.append(
            figure.add_subplot(
                grid[divmod(i, shape[1])],
                sharex=first if sharex == "all" else None,
                sharey=first if sharey == "all" else None,
            )
        )
    return panels
