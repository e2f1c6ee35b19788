"""How often whole numbers were observed and would be by the model, as roots of frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats
from skhlm.displays.style import BLACK, BLUE, PALE, VERMILION
from skhlm.numerics.quantiles import central, quantiles_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BINS = 60
_TAIL = 0.005  # share of the replicated values that may lie outside the picture


@dataclass(frozen=True)
class Rootogram:
    """Roots of frequencies in m bins of whole numbers, of equal width.

    =============  =======  =======================================================================
    ``edges``      (m + 1,)  halfway between whole numbers
    ``observed``   (m,)
    ``expected``   (m,)      of the mean frequency among replicates
    ``band``       (2, m)    interval of what hangs below or above zero by chance
    =============  =======  =======================================================================
    """

    edges: Floats
    observed: Floats
    expected: Floats
    band: Floats

    @classmethod
    def of(cls, observed: Floats, replicated: Floats, coverage: float = 0.9) -> Rootogram:
        """From outcomes (n,) and replicates of them (R, n)."""
        low = min(observed.min(), np.quantile(replicated, _TAIL))
        high = max(observed.max(), np.quantile(replicated, 1 - _TAIL))
        width = np.ceil((high - low + 1) / _MOST_BINS)
        low = width * np.floor(low / width)
        edges = np.arange(low, high + width + 1, width) - 0.5
        counts = np.array([np.histogram(y, edges)[0] for y in replicated])
        expected = np.sqrt(counts.mean(axis=0))
        band = quantiles_of(expected[:, None] - np.sqrt(counts.T), central(coverage)).T
        return cls(edges, np.sqrt(np.histogram(observed, edges)[0]), expected, band)

    @property
    def centres(self) -> Floats:
        """Middles of the bins, (m,)."""
        middle: Floats = 0.5 * (self.edges[1:] + self.edges[:-1])
        return middle

    def draw(self, axes: Axes) -> tuple[Any, Any, Any]:
        """Bars that hang from the expected roots, the line of these, and the band about zero."""
        width = self.edges[1] - self.edges[0]
        bars = axes.bar(
            self.centres,
            -self.observed,
            0.85 * width,
            bottom=self.expected,
            color=BLUE,
            alpha=0.6,
            label="observed, hanging",
        )
        ends = np.repeat(self.band, 2, axis=1)
        band = axes.fill_between(
            np.repeat(self.edges, 2)[1:-1],
            *ends,
            color=PALE,
            lw=0,
            zorder=0.5,
            label="by chance (90%)",
        )
        (line,) = axes.plot(
            self.centres, self.expected, "o-", color=VERMILION, ms=3, lw=1.2, label="expected"
        )
        axes.axhline(0, color=BLACK, lw=0.8)
        axes.set_ylim(top=1.05 * float(self.expected.max()))
        return bars, line, band
