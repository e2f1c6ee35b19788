"""`TraceDisplay`: do the chains agree? Ranks or values of their draws, divergences marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, rankdata

from skhlm._typing import Bools, Floats, Ints
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.names import LONGEST_ALONE, shown_apart
from skhlm.displays.panels import (
    figure_of,
    grid_shape,
    label_axes,
    legend_beside,
    name_panel,
    open_panels,
    tidy,
)
from skhlm.displays.parameters import chains_of
from skhlm.displays.style import BLACK, BLUE, PALE, look
from skhlm.methods.fitted import Fitted, find_hierarchical

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("rank", "trace")
_COLUMNS = 3  # of panels, which have to hold twenty bars
_N_BINS = 20
# black, as no chain is
_DIVERGENCE: dict[str, Any] = {"color": BLACK, "marker": "|", "ls": "", "ms": 6, "mew": 1.2}
_BAND = 0.99  # coverage of the band in which the count of a bin lies if chains agree


class TraceDisplay:
    """Draws of some parameters, chain by chain.

    "rank" [1]_: all chains' draws of a parameter are ranked together; for each chain, a row, a
    histogram of the ranks of its draws. Where chains explore the same distribution all are level:
    the dashed line, within the grey band (99% for each bin if draws were independent). A chain
    that stays high leans right, one that is stuck has a peak. A tick below a histogram marks the
    rank of a draw whose trajectory diverged.

    "trace": the draws in their order; ticks at the bottom mark divergent ones.

    Parameters
    ----------
    draws : array-like of shape (n_parameters, n_chains, n_draws)
        Draws of each parameter.
    parameters : array-like of str of shape (n_parameters,)
        What they are called.
    divergent : array-like of bool of shape (n_chains, n_draws), default=None
        Which draws ended a divergent trajectory; None if that is not known.
    titles : array-like of str of shape (n_parameters,), default=None
        What their panels are called; None is the parameters.
    n_parameters : int, default=None
        Of how many parameters these have the fewest effective draws, which the legend says if they
        are more; None if they were chosen otherwise.
    scale : str, default=None
        The scale of coefficients where it is not the outcome's, such as "log odds".

    Attributes
    ----------
    ax_ : Axes, or ndarray of them
        What was drawn on.
    axes_ : ndarray of shape (n_parameters,)
        The panels.
    figure_ : Figure
        The figure that holds them.
    bars_ : ndarray of shape (n_parameters, n_chains), or None
        Histograms of ranks (StepPatch); None for "trace".
    lines_ : ndarray of shape (n_parameters, n_chains), or None
        Traces (Line2D); None for "rank".
    divergences_ : ndarray of shape (n_parameters, n_chains)
        Marks of divergent draws (Line2D), without points where there are none.
    counts_ : ndarray of shape (n_parameters, n_chains, n_bins)
        Heights of the histograms.
    legend_ : Legend

    See Also
    --------
    skhlm.HLMRegressor.diagnose : The same as numbers: R-hat, effective sample sizes.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021). Rank-normalization, folding, and
       localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16(2).
       doi:10.1214/20-BA1221

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import TraceDisplay
    >>> draws = np.random.default_rng(0).normal(size=(1, 4, 200))
    >>> display = TraceDisplay(draws=draws, parameters=["sigma"])
    >>> display.plot().counts_.sum(axis=2)
    array([[200, 200, 200, 200]])
    """

    def __init__(
        self,
        *,
        draws: ArrayLike,
        parameters: ArrayLike,
        divergent: ArrayLike | None = None,
        titles: ArrayLike | None = None,
        n_parameters: int | None = None,
        scale: str | None = None,
    ) -> None:
        self.draws: Floats = np.asarray(draws, dtype=np.float64)
        self.parameters = np.asarray(parameters, dtype=np.str_)
        self.divergent: Bools | None = (
            None if divergent is None else np.asarray(divergent, dtype=np.bool_)
        )
        self.titles = self.parameters if titles is None else np.asarray(titles, dtype=np.str_)
        self.n_parameters = n_parameters
        self.scale = scale

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        parameters: Sequence[str] | str | None = None,
        *,
        kind: Literal["rank", "trace"] = "rank",
        ax: Any = None,
    ) -> TraceDisplay:
        """Draw the chains of a fitted model.

        Parameters are those of `summary` and `group_effects`, in the same units, intercepts at
        x = 0. Chains are judged where the model is fitted, at the predictors' means: what
        `diagnostics_` calls "Intercept at the means" is drawn by that name.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, alone or inside a pipeline, search or transformed target.
        parameters : str or list of str, default=None
            Parameters by name, such as "sigma", "tau[region/country, Intercept]", "kappa[days]",
            "delta[region/country, EMEA/France, days]" or "kappa[Intercept at the means]"; also
            "tau" for all of a kind; "phi" of a negative binomial model. None is everything but the
            group effects; where that is more than 16, the 16 with the fewest effective draws.
        kind, ax
            As in `plot`.

        Returns
        -------
        TraceDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If there is no HLMRegressor in it.
        ValueError
            If there is no such parameter, or the model was fitted by an approximation, whose draws
            are no chains.
        """
        model: Fitted = find_hierarchical(estimator).model
        chains = chains_of(model, parameters)
        statistics = model._fit.statistics
        display = cls(
            draws=chains.draws,
            parameters=chains.names,
            divergent=None if statistics is None else statistics.divergent,
            titles=chains.titles,
            n_parameters=chains.of,
            scale=model._posterior.family.scale or None,
        )
        return display.plot(ax, kind=kind)

    @with_glyphs
    def plot(self, ax: Any = None, *, kind: Literal["rank", "trace"] = "rank") -> TraceDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of n_parameters Axes, default=None
            What to draw on: one Axes bounds all panels; None is a new figure.
        kind : {"rank", "trace"}, default="rank"
            Histograms of ranks, or draws in their order.

        Returns
        -------
        self
        """
        if kind not in _KINDS:
            raise ValueError(f"kind must be 'rank' or 'trace', got {kind!r}.")
        n, n_chains, _ = self.draws.shape
        shape = grid_shape(n, _COLUMNS)
        height = 0.8 + 0.5 * n_chains if kind == "rank" else 2.0
        size = (1.6 + 3.0 * shape[1], 0.5 + height * shape[0])
        panels = open_panels("TraceDisplay.plot", ax, n, shape, size)
        self.bars_: Any = np.empty((n, n_chains), dtype=object) if kind == "rank" else None
        self.lines_: Any = np.empty((n, n_chains), dtype=object) if kind == "trace" else None
        self.divergences_ = np.empty((n, n_chains), dtype=object)
        self.counts_ = _counts(self.draws)
        titles = shown_apart(self.titles, LONGEST_ALONE)
        draw = self._draw_ranks if kind == "rank" else self._draw_traces
        for i, axes in enumerate(panels):
            draw(axes, i)
            name_panel(axes, titles[i])
            tidy(axes)
        for axes in panels[-shape[1] :]:
            axes.set_xlabel("rank among all chains' draws" if kind == "rank" else "draw")
        self._explain(panels, shape[1], kind)
        self.axes_ = np.array(panels, dtype=object)
        self.ax_ = panels[0] if n == 1 else self.axes_
        self.figure_ = figure_of(panels[0])
        return self

    def _draw_ranks(self, axes: Axes, i: int) -> None:
        """A histogram of the ranks for each chain, the first at the top."""
        counts, (_, n_chains, n_draws) = self.counts_[i], self.draws.shape
        edges = np.linspace(0, 1, _N_BINS + 1)
        expected = n_draws / _N_BINS
        scale = 0.8 / max(counts.max(), 2 * expected)
        band = binom.ppf([0.5 - _BAND / 2, 0.5 + _BAND / 2], n_draws, 1 / _N_BINS) * scale
        ranks = _ranks(self.draws[i])
        for c in range(n_chains):
            base = n_chains - 1 - c
            bars = axes.stairs(
                base + scale * counts[c], edges, baseline=base, fill=True, color=BLUE, alpha=0.6
            )
            axes.fill_between([0, 1], *(base + band), color=PALE, lw=0, zorder=0)
            axes.plot([0, 1], [base + scale * expected] * 2, "--", color=BLACK, lw=0.8)
            self.bars_[i, c] = bars
            marks = ranks[c, self._diverged(c)]
            (self.divergences_[i, c],) = axes.plot(
                marks, np.full(len(marks), base - 0.08), **_DIVERGENCE
            )
        axes.set(xlim=(0, 1), ylim=(-0.2, n_chains))
        rows = np.arange(n_chains) + scale * expected
        axes.set_yticks(rows, [str(c) for c in range(n_chains, 0, -1)])
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.tick_params(axis="y", length=0)

    def _draw_traces(self, axes: Axes, i: int) -> None:
        """The draws of each chain in their order, divergent ones marked at the bottom."""
        n_chains, n_draws = self.draws.shape[1:]
        for c in range(n_chains):
            (self.lines_[i, c],) = axes.plot(
                self.draws[i, c], color=look(c).color, lw=0.5, alpha=0.8, label=f"chain {c + 1}"
            )
            marks = np.flatnonzero(self._diverged(c))
            (self.divergences_[i, c],) = axes.plot(
                marks,
                np.full(len(marks), 0.03),
                transform=axes.get_xaxis_transform(),
                **_DIVERGENCE,
            )
        axes.set_xlim(0, n_draws)

    def _diverged(self, chain: int) -> Bools:
        """Which draws of a chain are known to have diverged, (n_draws,)."""
        if self.divergent is None:
            return np.zeros(self.draws.shape[2], dtype=np.bool_)
        diverged: Bools = self.divergent[chain]
        return diverged

    def _explain(self, panels: list[Axes], n_columns: int, kind: str) -> None:
        """Labels of the rows, and a legend for what is there."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        if kind == "rank":
            handles: list[Any] = [
                Line2D([], [], color=BLACK, ls="--", lw=0.8, label="chains agree"),
                Patch(color=PALE, lw=0, label=f"by chance ({100 * _BAND:g}%)"),
            ]
            label = "chain"
        else:
            handles = [
                Line2D([], [], color=line.get_color(), lw=1.6, label=line.get_label())
                for line in self.lines_[0]
            ]
            label = "value, in units of the data"
            if self.scale:
                label = f"value ({self.scale})"
        for axes in panels[::n_columns]:
            label_axes(axes, y=label)
        if self.divergent is not None:
            count = f"divergent ({self.divergent.sum()})"
            handles.append(Line2D([], [], **{**_DIVERGENCE, "label": count}))
        last = panels[min(n_columns, len(panels)) - 1]
        self.legend_ = legend_beside(last, handles=handles, title=self._left_out())

    def _left_out(self) -> str | None:
        """What the legend says where there are more parameters than panels."""
        n = len(self.parameters)
        if self.n_parameters is None or self.n_parameters <= n:
            return None
        return f"{n} of {self.n_parameters} parameters:\nthe fewest effective draws"


def _ranks(draws: Floats) -> Floats:
    """Ranks of the draws (chains, draws) among all of them, in (0, 1)."""
    ranks: Floats = (rankdata(draws, axis=None).reshape(draws.shape) - 0.5) / draws.size
    return ranks


def _counts(draws: Floats) -> Ints:
    """Draws of each chain in equal bins of the ranks: (P, chains, draws) -> (P, chains, bins)."""
    bins = np.stack([np.minimum(_ranks(x) * _N_BINS, _N_BINS - 1) for x in draws]).astype(np.int64)
    return np.stack([(bins == b).sum(axis=2) for b in range(_N_BINS)], axis=-1)
