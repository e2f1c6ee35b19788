"""Pictures that the report alone draws: where outcomes lie in what was predicted for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binom

from skhlm._typing import Floats
from skhlm.displays.panels import figure_of, name_panel, open_panels, tidy
from skhlm.displays.style import BLACK, BLUE, PALE

_BINS = 20
_BAND = 0.99
_MANY = 400  # points that are drawn faintly


def residuals_figure(transforms: Floats, residuals: Floats, fitted: Floats) -> Any:
    """Histogram of the transforms (n,) in (0, 1), and residuals (n,) against fitted values (n,)."""
    left, right = open_panels("report", None, 2, (1, 2), (9.6, 3.2))
    n = len(transforms)
    edges = np.linspace(0, 1, _BINS + 1)
    low, high = (binom.ppf(0.5 + side * _BAND / 2, n, 1 / _BINS) for side in (-1, 1))
    left.fill_between(
        [0, 1], low, high, color=PALE, lw=0, zorder=0, label=f"by chance ({100 * _BAND:g}%)"
    )
    left.hist(transforms, edges.tolist(), color=BLUE, alpha=0.6)
    left.axhline(n / _BINS, color=BLACK, lw=0.8, ls="--")
    left.set_ylabel("rows")
    left.set_ylim(0, 1.25 * left.get_ylim()[1])
    left.legend(frameon=False, fontsize=8, loc="upper right")
    name_panel(left, "Outcomes in what is predicted for them", "P(outcome below the observed one)")
    alpha = float(np.clip(_MANY / n, 0.05, 0.7))
    right.plot(fitted, residuals, ".", color=BLUE, ms=4, alpha=alpha, mew=0)
    right.axhline(0, color=BLACK, lw=0.8)
    for end in (-2, 2):
        right.axhline(end, color=BLACK, lw=0.8, ls=":")
    right.set_ylabel("residual, in normal scores")
    name_panel(right, "Residuals against fitted values", "expected outcome")
    for axes in (left, right):
        tidy(axes)
    return figure_of(left)
