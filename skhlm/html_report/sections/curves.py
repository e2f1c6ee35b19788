"""Response curves: the expected outcome along each predictor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skhlm.displays import ResponseCurveDisplay
from skhlm.html_report.page import paragraph, picture
from skhlm.html_report.room import size_of
from skhlm.html_report.rows import rows_of_fit

_MOST = 60  # predictors with a picture, unless they are named
_SAID = 500  # bytes of what is said of those left out
_PANELS, _FEWER, _MANY = 6, 3, 6  # in each picture; where there are more than so many pictures


def curves(
    model: Any, X: Any, y: Any, positions: Sequence[int], *, named: bool, room: int
) -> Iterator[str]:
    """The expected outcome along predictors, given by their positions in X, the others at means.

    As many pictures as there is room for, in bytes.
    """
    observed = rows_of_fit(model) if X is None else (X, y)
    wanted = positions if named else positions[:_MOST]
    n_panels = _PANELS if len(wanted) <= _MANY else _FEWER
    n_shown = 0
    for position in wanted:
        name = model._spec.columns.predictor_name(position)
        display = _draw_curves(model, position, observed, n_panels)
        said = [f"{_expected(model)} along {name}"]
        n_predictors = len(model._spec.predictor_positions)
        said += ["the other predictors at their means"] * (n_predictors > 1)
        said += ["at the mean exposure of fit"] * (model._spec.exposure is not None)
        drawn, n = len(display.panels_), display.n_curves
        said += [f"{drawn} of {n} curves, from the lowest to the highest"] * (drawn < n)
        drawn_now = picture(display.figure_, f"{'; '.join(said)}.")
        room -= size_of(drawn_now)
        if room < _SAID:
            break
        n_shown += 1
        yield drawn_now
    n = len(model._spec.predictor_positions)
    if n_shown < n:
        yield paragraph(
            f"Curves along {n_shown} of {n} predictors; report(..., features=[...]) draws "
            "those that it names.",
            "left-out",
        )


def _expected(model: Any) -> str:
    """What a curve is of."""
    classes = model._spec.classes
    if classes is None:
        return "The expected outcome"
    return f"The probability of {classes.plain[1]}"


def _draw_curves(
    model: Any, position: int, observed: tuple[Any, Any] | None, n_panels: int
) -> ResponseCurveDisplay:
    """Some curves, evenly from the lowest to the highest in the middle, and the observed points."""
    from matplotlib import pyplot as plt

    display = ResponseCurveDisplay.from_estimator(
        model, None, position, observed=observed, panels=[0]
    )
    n = len(display.names)
    if n == 1:
        return display
    plt.close(display.figure_)
    order = np.argsort(display.mean[:, len(display.grid) // 2], kind="stable")
    picks = np.linspace(0, n - 1, min(n, n_panels)).round().astype(np.int64)
    return display.plot(panels=order[picks].tolist())
