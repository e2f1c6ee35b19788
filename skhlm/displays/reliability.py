"""Whether what has a probability happens as often as that says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats
from skhlm.displays.style import BLACK, BLUE, PALE
from skhlm.numerics.cell_sums import sum_by_cell
from skhlm.numerics.quantiles import central, quantiles_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BINS, _LEAST_ROWS = 12, 15  # of bins, of rows in each


@dataclass(frozen=True)
class Reliability:
    """Rows in m bins of about as many each, by their probability.

    ===============  ======  ================================================
    ``probability``  (m,)    mean probability of the rows
    ``observed``     (m,)    share of ones among them
    ``band``         (2, m)  interval of that share among replicates
    ===============  ======  ================================================
    """

    probability: Floats
    observed: Floats
    band: Floats

    @classmethod
    def of(
        cls, probability: Floats, observed: Floats, replicated: Floats, coverage: float = 0.9
    ) -> Reliability:
        """From probabilities, outcomes (n,) and replicates of them (R, n)."""
        n_bins = int(np.clip(len(observed) // _LEAST_ROWS, 1, _MOST_BINS))
        inner = np.quantile(probability, np.arange(1, n_bins) / n_bins)
        _, which = np.unique(np.searchsorted(inner, probability), return_inverse=True)
        size = np.bincount(which)

        def share(values: Floats) -> Floats:
            return sum_by_cell(values, which, len(size)) / size

        replicates = np.array([share(y) for y in replicated])
        band = quantiles_of(replicates.T, central(coverage)).T
        return cls(share(probability), share(observed), band)

    def draw(self, axes: Axes) -> tuple[Any, Any, Any]:
        """Points of the bins, the diagonal, and bars of chance about it."""
        (diagonal,) = axes.plot([0, 1], [0, 1], color=BLACK, lw=0.8, zorder=1)
        band = axes.vlines(
            self.probability, *self.band, color=PALE, lw=7, zorder=0.5, label="by chance (90%)"
        )
        (points,) = axes.plot(
            self.probability, self.observed, "o-", color=BLUE, ms=4.5, lw=1.2, label="observed"
        )
        return points, diagonal, band
