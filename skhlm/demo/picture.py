"""The demo's picture: one country's line, everyone's slope, and a country never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from skhlm.demo.countries import three_years_each
from skhlm.demo.results import Results
from skhlm.outputs import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers tell apart too.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#767676"


def draw(
    path: Path,
    X: pd.DataFrame,
    y: pd.Series[float],
    results: Results,
    pulled: pd.DataFrame,
    unseen: pd.DataFrame,
) -> None:
    """Write the picture to ``path``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.6), layout="constrained")
    line, slopes, new = figure.subplots(1, 3, width_ratios=[1, 1.25, 1])
    _draw_line(line, X, y, results, pulled["country"].iloc[0])
    _draw_slopes(slopes, pulled)
    _draw_unseen(new, unseen, unseen["country"].iloc[0])
    figure.supxlabel("Data: Gapminder.org, CC-BY 4.0", x=0.995, ha="right", fontsize=8)
    with replacing(path) as file:
        figure.savefig(file, dpi=120, format=path.suffix[1:] or "png")


def _draw_line(
    ax: Axes, X: pd.DataFrame, y: pd.Series[float], results: Results, country: str
) -> None:
    """One country: its rows, three of them for training, and its line by two models."""
    rows = X[X["country"] == country]
    years, observed = _years(rows), y[rows.index]
    train, _ = next(three_years_each(X))
    seen = rows.index.isin(X.index[train])
    apart, together = (results.fitted[name][0] for name in ("unpooled", "hierarchical"))
    ax.plot(years, apart.predict(rows), "--", color=VERMILION, lw=2, label="no pooling")
    ax.plot(years, together.predict(rows), color=BLUE, lw=2, label="partial pooling")
    ax.plot(years[seen], observed[seen], "o", color="black", label="years it was fitted to")
    ax.plot(years[~seen], observed[~seen], "o", mfc="white", mec="black", label="other years")
    _label_life(ax)
    _finish(ax, f"{country}: a line from three years", "lower right")


def _draw_slopes(ax: Axes, pulled: pd.DataFrame) -> None:
    """Every country's slope, from no pooling to partial pooling, beside its continent's."""
    for place, (_, rows) in enumerate(pulled.groupby("continent")):
        ends = [place - 0.3, place + 0.3]
        ax.plot(ends, rows[["own", "partial"]].T, color=GREY, lw=0.7, alpha=0.7)
        ax.plot([ends[0]] * len(rows), rows["own"], "o", color=VERMILION, ms=3)
        ax.plot([ends[1]] * len(rows), rows["partial"], "o", color=BLUE, ms=3)
        ax.plot(ends, rows["continent's"].iloc[:2], color="black", lw=2)
    ax.plot([], [], "o", color=VERMILION, ms=4, label="no pooling")
    ax.plot([], [], "o", color=BLUE, ms=4, label="partial pooling")
    ax.plot([], [], color="black", lw=2, label="the continent")
    ax.set_xticks(range(pulled["continent"].nunique()), sorted(pulled["continent"].unique()))
    ax.set_ylabel("years of life gained per decade")
    _finish(ax, "Slopes of 142 countries, pulled to their continents", "upper right")


def _draw_unseen(ax: Axes, unseen: pd.DataFrame, country: str) -> None:
    """A country that was not in the data: its interval and its rows."""
    rows = unseen[unseen["country"] == country]
    years = _years(rows)
    ax.fill_between(
        years, rows["lower"], rows["upper"], color=BLUE, alpha=0.2, lw=0, label="90% interval"
    )
    ax.plot(years, rows["predicted"], color=BLUE, lw=2, label="predicted")
    ax.plot(years, rows["observed"], "o", mfc="white", mec="black", label="observed, not fitted")
    _label_life(ax)
    _finish(ax, f"{country}: held out entirely", "lower right")


def _label_life(ax: Axes) -> None:
    """The axes that two panels share."""
    ax.set_ylim(10, 95)
    ax.set_xlabel("year")
    ax.set_ylabel("life expectancy at birth (years)")


def _finish(ax: Axes, title: str, legend_at: Literal["lower right", "upper right"]) -> None:
    """Title, legend, and no frame around either the panel or the legend."""
    ax.set_title(title, loc="left", fontsize=11)
    ax.legend(loc=legend_at, frameon=False, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)


def _years(rows: pd.DataFrame) -> pd.Series[float]:
    """Calendar years of decades from 1980."""
    return 1980 + 10 * rows["decades"]
