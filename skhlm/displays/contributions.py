"""`ContributionsDisplay`: from a reference to a prediction, part by part: a waterfall."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skhlm._typing import Floats
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.frames import outcome_title
from skhlm.displays.level_rows import label_rows, row_line_width, rows_of_panels
from skhlm.displays.panels import figure_of, legend_beside, name_panel, open_panels, tidy
from skhlm.displays.style import BLACK, BLUE, GREY, VERMILION
from skhlm.inputs.frames import as_table
from skhlm.methods.contributions import contributions
from skhlm.methods.fitted import find_hierarchical
from skhlm.methods.made_of import find_inputs
from skhlm.methods.rows_together import route_of
from skhlm.numerics.digits import significant
from skhlm.posterior.prediction import interval
from skhlm.reports.curves import Derive, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 0.62  # of a bar, of the distance of rows
_ENDS = ("reference", "prediction")


class ContributionsDisplay:
    """The parts of a prediction, each from where the one before it ends: a waterfall.

    The topmost bar ends at the prediction of the reference, the lowest at that of the row; between
    them is a bar for each input and each factor, as long as its part. A line at the end of each bar
    is the interval of that part alone, as parts are correlated, and of the two predictions.

    Parameters
    ----------
    parts : array-like of str of shape (P,)
        What the parts are called, from the top.
    mean, lower, upper : array-like of shape (P,)
        The parts, and ends of their intervals.
    reference, prediction : array-like of shape (3,)
        What the reference and the row are predicted to be: mean, lower, upper.
    coverage : float, default=0.9
        Posterior probability of the intervals.
    title : str, default=""
        What row it is.
    outcome : str, default=None
        Name and unit of y, for the axis.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        The figure that holds it.
    bars_ : list of P + 2 Rectangle
        From the top: the reference, the parts, the prediction.
    intervals_ : LineCollection
        Of all bars, from the top.
    connections_ : LineCollection
        From the end of each bar to the next.
    legend_ : Legend

    See Also
    --------
    skhlm.contributions : The same as a frame, of many rows.

    Examples
    --------
    >>> from skhlm.displays import ContributionsDisplay
    >>> display = ContributionsDisplay(
    ...     parts=["spend", "country"], mean=[2.0, -0.5], lower=[1.5, -1.0], upper=[2.5, 0.0],
    ...     reference=[1.0, 0.5, 1.5], prediction=[2.5, 2.0, 3.0],
    ... )
    >>> [float(bar.get_width()) for bar in display.plot().bars_]
    [1.0, 2.0, 0.5, 2.5]
    """

    def __init__(
        self,
        *,
        parts: ArrayLike,
        mean: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        reference: ArrayLike,
        prediction: ArrayLike,
        coverage: float = 0.9,
        title: str = "",
        outcome: str | None = None,
    ) -> None:
        self.parts = np.asarray(parts, dtype=np.str_)
        self.mean: Floats = np.asarray(mean, dtype=np.float64)
        self.lower: Floats = np.asarray(lower, dtype=np.float64)
        self.upper: Floats = np.asarray(upper, dtype=np.float64)
        self.reference: Floats = np.asarray(reference, dtype=np.float64)
        self.prediction: Floats = np.asarray(prediction, dtype=np.float64)
        self.coverage = coverage
        self.title = title
        self.outcome = outcome

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        reference: Any = None,
        *,
        row: int = 0,
        coverage: float = 0.9,
        kind: Scale = "mean",
        derive: Mapping[str, Derive] | None = None,
        sort: bool = True,
        outcome: str | None = None,
        ax: Any = None,
    ) -> ContributionsDisplay:
        """Draw the parts of one row's prediction.

        Parameters
        ----------
        estimator : estimator
            A fitted `HLMRegressor` or `HLMClassifier`, alone or inside pipelines and searches.
        X : frame or array-like of shape (n_samples, n_features)
            Rows as the estimator takes them, all of them where steps look at several.
        reference, coverage, kind, derive
            As in `skhlm.contributions`.
        row : int, default=0
            Which row of X, by position.
        sort : bool, default=True
            Whether the largest parts come first; else inputs as in X, then factors.
        outcome : str, default=None
            Name and unit of y, for the axis; None is the name that y had at fit.
        ax
            As in `plot`.

        Returns
        -------
        ContributionsDisplay
            Drawn.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `skhlm.contributions`; if X has no such row.
        """
        n = len(as_table(X))
        if isinstance(row, bool) or not isinstance(row, Integral) or not -n <= row < n:
            raise ValueError(f"row must be a position in X, which has {n} rows, got {row!r}.")
        settings: Any = {"coverage": coverage, "kind": kind, "derive": derive}
        frame = contributions(estimator, X, reference, **settings)
        own = frame[frame["row"] == row % n]
        numbers = own[["mean", "lower", "upper"]].to_numpy(dtype=np.float64)
        parts = numbers[1:]
        order = np.argsort(-np.abs(parts[:, 0]), kind="stable") if sort else np.arange(len(parts))
        mean, lower, upper = parts[order].T
        model = find_hierarchical(estimator).model
        display = cls(
            parts=own["part"].to_numpy()[1:][order],
            mean=mean,
            lower=lower,
            upper=upper,
            reference=numbers[0],
            prediction=[numbers[:, 0].sum(), *_interval(estimator, X, row, settings)],
            coverage=coverage,
            title=f"row {row % n}" if n > 1 else "",
            outcome=outcome_title(model, outcome, link=kind == "link"),
        )
        return display.plot(ax)

    @with_glyphs
    def plot(self, ax: Any = None) -> ContributionsDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            What to draw on; None is a new figure.

        Returns
        -------
        self
        """
        names = [_ENDS[0], *self.parts.tolist(), _ENDS[1]][::-1]
        _, size = rows_of_panels(1, names, [self._interval_name()])
        size = max(size[0], 6.0), size[1]
        (axes,) = open_panels("ContributionsDisplay.plot", ax, 1, (1, 1), size)
        label_rows([axes], 1, names, None)
        self._draw(axes)
        name_panel(axes, self.title, self.outcome or "outcome")
        tidy(axes)
        self.legend_ = legend_beside(axes, handles=self._handles())
        self.ax_ = axes
        self.figure_ = figure_of(axes)
        return self

    def _draw(self, axes: Axes) -> None:
        """Bars from the top, each where the one before ends."""
        ends = self.reference[0] + np.r_[0.0, np.cumsum(self.mean)]
        start = np.r_[self._foot(), ends[:-1], self._foot()]
        stop = np.r_[ends, self.prediction[0]]
        low = np.r_[self.reference[1], ends[:-1] + self.lower, self.prediction[1]]
        high = np.r_[self.reference[2], ends[:-1] + self.upper, self.prediction[2]]
        rows = np.arange(len(stop))[::-1]
        rises = np.where(self.mean >= 0, BLUE, VERMILION).tolist()
        left, width = np.minimum(start, stop), np.abs(stop - start)
        colors = [GREY, *rises, GREY]
        self.bars_ = list(axes.barh(rows, width, _HEIGHT, left=left, color=colors, zorder=2))
        self.connections_ = axes.vlines(
            stop[:-1], rows[1:] - _HEIGHT / 2, rows[:-1] + _HEIGHT / 2, colors=GREY, lw=0.8
        )
        line = row_line_width(axes, len(rows))
        self.intervals_ = axes.hlines(rows, low, high, colors=BLACK, lw=line, zorder=3)
        reach = [*low, *high, *start, *stop]
        margin = 0.04 * (max(reach) - min(reach) or 1.0)
        axes.set_xlim(min(reach) - margin, max(reach) + margin)

    def _foot(self) -> float:
        """Where the bars of the two predictions begin: 0 if that is near, or below all else."""
        ends = np.r_[self.reference, self.prediction, self.reference[0] + np.cumsum(self.mean)]
        low, high = float(ends.min()), float(ends.max())
        if low <= 0 <= high or min(abs(low), abs(high)) < high - low:
            return 0.0
        return low - 0.1 * (high - low) if low > 0 else high + 0.1 * (high - low)

    def _handles(self) -> list[Any]:
        """What colours and lines mean."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        bars = ((BLUE, "adds"), (VERMILION, "takes away"), (GREY, "predicted"))
        return [
            *(Patch(color=color, label=label) for color, label in bars),
            Line2D([], [], color=BLACK, lw=1.2, label=self._interval_name()),
        ]

    def _interval_name(self) -> str:
        """What the legend says of the lines."""
        return f"{significant(100 * self.coverage)}% interval"


def _interval(estimator: Any, X: Any, row: int, settings: Mapping[str, Any]) -> Floats:
    """Of what is expected of one row of X, (2,)."""
    kind, coverage = settings["kind"], settings["coverage"]
    rows = find_inputs(route_of(estimator, X, kind), X, settings["derive"]).rows
    predictors, codes = rows.predictors[[row]], rows.codes[[row]]
    ends = interval(rows.model._posterior, predictors, codes, coverage, kind)
    own: Floats = ends[0]
    return own
