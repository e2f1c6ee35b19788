"""Ticks of axes: whole numbers, no offset elsewhere to be added, no more than there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LETTER, _GAP = 0.62, 2.0  # width of a digit in sizes of the font; digits between two labels
_FEW_RATIOS, _NEAREST = 4, 0.12  # ticks of ratios; how near two may be, of the axis
_FEWEST, _MOST = 2, 9  # intervals between ticks
_MANY_DIGITS = 1e7  # from here on, and below its inverse, powers of ten
_RESOLUTION = 1e-9  # of the ticks' distance: what is nearer to zero is zero


def plain_ticks(axes: Axes) -> None:
    """Label both axes by the numbers themselves, of which as many as fit along them.

    Axes whose ticks somebody has chosen, as names of levels, stay.
    """
    from matplotlib.ticker import AutoLocator, ScalarFormatter

    for axis in (axes.xaxis, axes.yaxis):
        if type(axis.get_major_formatter()) is ScalarFormatter:
            axis.set_major_formatter(_plain_formatter())
            if type(axis.get_major_locator()) is AutoLocator:
                axis.set_major_locator(_roomy_locator())


def ratio_ticks(axes: Axes) -> None:
    """Label a logarithmic x axis by numbers such as 0.5, 1 and 2, which do not touch."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    low, high = axes.get_xlim()
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    inside = _within(np.outer(decades, [1, 2, 5]).ravel(), low, high)
    if len(inside) < _FEW_RATIOS:
        steps = MaxNLocator(_MOST, steps=[1, 2, 5, 10]).tick_values(low, high)
        inside = _within(np.asarray(steps), low, high)
    if len(inside) > _MOST:
        inside = _within(decades, low, high)
    kept = _spread(inside, _NEAREST * np.log(high / low))
    axes.xaxis.set_major_locator(FixedLocator(kept))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _within(values: Floats, low: float, high: float) -> Floats:
    """Those between two others."""
    return values[(values >= low) & (values <= high)]


def _spread(ticks: Floats, distance: float) -> list[float]:
    """Ticks of which no two have logarithms nearer than that; 1, where it is, is one of them."""
    order = np.argsort(np.abs(np.log(ticks)), kind="stable")  # from 1 to the ends
    kept: list[float] = []
    for tick in ticks[order].tolist():
        if all(abs(np.log(tick / other)) >= distance for other in kept):
            kept.append(tick)
    return sorted(kept)


def labels_of(ticks: Any) -> list[str]:
    """Each tick as a number of its own, with the digits that tell it from its neighbours."""
    values = np.asarray(ticks, dtype=np.float64)
    step = float(np.min(np.diff(np.unique(values)), initial=np.inf))
    step = step if np.isfinite(step) else float(np.abs(values).max(initial=0.0)) or 1.0
    values = np.where(np.abs(values) < _RESOLUTION * step, 0.0, values)
    largest = float(np.abs(values).max(initial=0.0))
    decimals = _decimals(step)
    if (largest >= _MANY_DIGITS and step >= 1) or step < 1 / _MANY_DIGITS:
        return [_power(value, step) for value in values.tolist()]
    return [f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}") for value in values.tolist()]


def _decimals(step: float) -> int:
    """Digits behind the point that a multiple of the step has, to four of its own."""
    for decimals in range(max(0, -int(np.floor(np.log10(step) + _RESOLUTION))), 16):
        if abs(round(step, decimals) - step) < 1e-4 * step:
            return decimals
    return 16


def _power(value: float, step: float) -> str:
    """A number with its power of ten, such as "1.25e8", in the digits that the step asks for."""
    if value == 0:
        return "0"
    power = int(np.floor(np.log10(abs(value)) + _RESOLUTION))
    decimals = _decimals(step / 10.0**power)
    return f"{value / 10.0**power:.{decimals}f}e{power}".replace("-", "\N{MINUS SIGN}")


def _plain_formatter() -> Any:
    """A formatter of `labels_of`."""
    from matplotlib.ticker import ScalarFormatter

    class Plain(ScalarFormatter):
        """Numbers that no other number has to be added to, or multiplied with."""

        def __init__(self) -> None:
            super().__init__(useOffset=False)
            self.set_scientific(False)

        def format_ticks(self, values: Any) -> list[str]:
            self.set_locs(list(values))
            return labels_of(values)

    return Plain()


def _roomy_locator() -> Any:
    """A locator whose labels do not touch."""
    from matplotlib.ticker import MaxNLocator

    class Roomy(MaxNLocator):
        """Steps as long as the labels need."""

        def __init__(self) -> None:
            super().__init__(nbins=_MOST, steps=[1, 2, 2.5, 5, 10])

        def tick_values(self, vmin: float, vmax: float) -> Any:
            axis: Any = self.axis
            for nbins in range(min(_MOST, max(axis.get_tick_space(), _FEWEST)), 0, -1):
                self.set_params(nbins=nbins)
                ticks = np.asarray(super().tick_values(vmin, vmax))
                inside = ticks[(ticks >= min(vmin, vmax)) & (ticks <= max(vmin, vmax))]
                if nbins == 1 or _is_room(axis, inside):
                    break
            return ticks

    return Roomy()


def _is_room(axis: Any, ticks: Any) -> bool:
    """Whether the labels of ticks fit side by side; along a vertical axis they always do."""
    if axis.axis_name != "x":
        return True
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    axes = axis.axes
    figure = axes.get_figure(root=True)
    width = axes.get_position().width * figure.get_figwidth() * 72
    letters = max((len(label) for label in labels_of(ticks)), default=0) + _GAP
    size = FontProperties(size=rcParams["xtick.labelsize"]).get_size_in_points()
    return bool(len(ticks) * letters * _LETTER * size <= width)
