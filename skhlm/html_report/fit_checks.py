"""How well a model describes rows: replications, intervals, R-squared, rows left out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import binom

from skhlm._typing import Floats, Ints
from skhlm.html_report.point_predictions import (
    PointPredictions,
    explained,
    point_predictions,
    worse_in_words,
)
from skhlm.inputs.columns import listed
from skhlm.methods.fitted import Fitted
from skhlm.methods.fitted_rows import can_be_replicated, fitted_rows, rows_to_check
from skhlm.numerics.quantiles import central, quantiles_of
from skhlm.posterior import prediction
from skhlm.posterior.explained_variance import r2_parts
from skhlm.posterior.leave_one_out import LeaveOneOut
from skhlm.posterior.predictive_checks import STATISTICS, predictive_check
from skhlm.posterior.scoring import pit_ends, share_inside

INSIDE = 0.99  # of the replications, outside of which an observed statistic is unlike the model
_NUMBERS = 20_000_000  # rows times replications
_FEWEST, _MOST = 200, 1000  # replications
_MOST_LEVELS = 300  # of a factor that is checked level by level
_RARE = 0.001  # probability of so many levels outside, by chance alone
_MOST_ROWS = 20_000  # that are transformed, or left out
_DRAWS = 400  # for sums over all rows
_NOMINAL = (0.5, 0.8, 0.9, 0.95)
_JUDGED = 0.9  # of these
_EDGE = 1e-6  # of a probability whose normal score is taken

FROM_A_FILE = (
    "The model came from a file, which holds no training rows: give X and y to see how well it "
    "describes them."
)


@dataclass(frozen=True)
class Intervals:
    """Where outcomes of n rows lie in what was predicted for them.

    ==============  ==========================================================================
    ``transforms``  P(outcome below the observed one), (n,); of whole numbers at random between
                    that and P(outcome at most the observed one)
    ``residuals``   their normal scores, (n,)
    ``fitted``      expected outcomes, (n,)
    ``coverage``    promised and actual coverages, a frame
    ==============  ==========================================================================
    """

    transforms: Floats
    residuals: Floats
    fitted: Floats
    coverage: pd.DataFrame


@dataclass
class Look:
    """What was found of how well a model describes rows.

    ==============  ==========================================================================
    ``missing``     why nothing was compared; empty if something was
    ``unlike``      sentences on what is unlike the model
    ``points``      how close expected outcomes are to the rows; None where all are the same
    ``worse``       sentences on expected outcomes that are no good
    ``overall``     statistics of all rows, a frame
    ``by_factor``   the same of the levels of each factor, and which factors have too many
    ``intervals``   where outcomes lie in what was predicted; None of yes or no
    ``r2``          parts of R^2, a frame; None of other rows than those of fit
    ``loo``         those rows left out one at a time; None where there are too many
    ``loo_missing`` why not
    ``of_fit``      whether the rows are those of fit
    ==============  ==========================================================================
    """

    missing: str = ""
    unlike: list[str] = field(default_factory=list)
    points: PointPredictions | None = None
    worse: list[str] = field(default_factory=list)
    overall: pd.DataFrame | None = None
    by_factor: dict[str, pd.DataFrame] = field(default_factory=dict)
    too_many: list[str] = field(default_factory=list)
    intervals: Intervals | None = None
    r2: pd.DataFrame | None = None
    loo: LeaveOneOut | None = None
    loo_missing: str = ""
    of_fit: bool = False


def look_at_fit(model: Any, X: Any, y: Any, sample_weight: Any) -> Look:
    """Compare a model with the rows of fit, or with others."""
    look = Look()
    _leave_out(look, model, X, y, sample_weight)
    rows = model._fit.rows
    if X is None and rows is None:
        look.missing = FROM_A_FILE
        return look
    if X is None and not can_be_replicated(model, rows):
        what = "weights" if model._unit == "row" else "trials, or successes among them,"
        look.missing = (
            f"The {what} are no whole numbers, so the outcome cannot be replicated {model._unit} "
            f"by {model._unit}."
        )
        codes = rows.codes[rows.cell]
        look.points, _ = point_predictions(model, rows.X, codes, rows.y, rows.weight)
    else:
        checked = rows_to_check(model, X, y, sample_weight)
        _compare(look, model, *checked)
    if look.points is not None:
        look.worse = worse_in_words(look.points, model, _rows(look))
    return look


def _compare(look: Look, model: Any, X: Floats, codes: Ints, new_levels: Ints, y: Floats) -> None:
    """Everything that needs the rows one by one."""
    look.points, expected = point_predictions(model, X, codes, y, np.ones(len(y)))
    _replicate(look, model, X, codes, new_levels, y, expected)
    if not model._posterior.family.is_binary:
        some = _some(len(y))
        look.intervals = _intervals(model, X[some], codes[some], y[some])
        look.unlike += _too_narrow(look.intervals)


def _some(n: int) -> Ints:
    """All of n rows, or some evenly spaced ones."""
    return np.unique(np.linspace(0, n - 1, min(n, _MOST_ROWS)).astype(np.int64))


def _replicate(
    look: Look,
    model: Fitted,
    X: Floats,
    codes: Ints,
    new_levels: Ints,
    y: Floats,
    expected: Floats,
) -> None:
    """Statistics of all rows, and of each level of the factors."""
    posterior, labels = model._posterior, model._spec.labels
    names = posterior.family.statistics
    n_samples = int(np.clip(_NUMBERS // len(y), _FEWEST, _MOST))

    def check(statistics: Any, groups: list[Ints]) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        return predictive_check(
            posterior, X, codes, new_levels, y, statistics, groups, n_samples, rng, INSIDE
        )

    statistics = [(name, STATISTICS[name]) for name in names]
    overall = check([*statistics, ("R²", explained(expected))], [np.arange(len(y))])
    look.overall = overall.iloc[:-1].drop(columns="group")
    if look.points is not None:
        look.points = replace(look.points, least=float(overall["lower"].iloc[-1]))
    unlike = look.overall[_outside(look.overall)]
    look.unlike += [_unlike(row) for row in unlike.itertuples()]
    for g, factor in enumerate(labels.factors):
        present = np.unique(codes[:, g])
        if len(present) > _MOST_LEVELS:
            look.too_many.append(factor)
            continue
        found = check(statistics[:2], [np.flatnonzero(codes[:, g] == code) for code in present])
        levels = ["new levels" if c < 0 else labels.levels[g][c] for c in present]
        found.insert(0, "level", [levels[i] for i in found.pop("group")])
        look.by_factor[factor] = _most_surprising_first(found)
        look.unlike += _unlike_levels(factor, found)


def _outside(check: pd.DataFrame) -> Any:
    """Which observed statistics are outside their replications' interval."""
    return (check["observed"] < check["lower"]) | (check["observed"] > check["upper"])


def _unlike(row: Any) -> str:
    """An observed statistic that is unlike its replications."""
    return (
        f"{row.statistic}: observed {row.observed:.4g}, while {INSIDE:.0%} of the outcomes that "
        f"the model replicates have one between {row.lower:.4g} and {row.upper:.4g} "
        f"(predictive p = {row.p_value:.3f})."
    )


def _unlike_levels(factor: str, check: pd.DataFrame) -> Iterator[str]:
    """Statistics for which more levels are unlike the model than chance explains."""
    for name, of_levels in check.groupby("statistic", sort=False):
        of_levels = of_levels[of_levels["p_value"].notna()]
        n, n_outside = len(of_levels), int(_outside(of_levels).sum())
        if n_outside and binom.sf(n_outside - 1, n, 1 - INSIDE) < _RARE:
            yield (
                f"{name} by {factor}: {n_outside} of {n} levels are outside {INSIDE:.0%} of their "
                f"replications, where chance alone makes about {n * (1 - INSIDE):.1g}."
            )


def _most_surprising_first(check: pd.DataFrame) -> pd.DataFrame:
    """The same rows, those first whose p value is farthest from 1/2."""
    order = (check["p_value"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    return check.loc[order]


def _intervals(model: Fitted, X: Floats, codes: Ints, y: Floats) -> Intervals:
    """Where outcomes lie in what is predicted for them."""
    few = model._posterior.thinned(_DRAWS)
    ends = pit_ends(few, X, codes, y)
    at = np.random.default_rng(0).random(len(y))
    transforms = ends[:, 0] + at * (ends[:, 1] - ends[:, 0])
    actual = share_inside(ends, np.array(_NOMINAL)).mean(axis=0)
    return Intervals(
        transforms=transforms,
        residuals=ndtri(np.clip(transforms, _EDGE, 1 - _EDGE)),
        fitted=prediction.expected_value(few, X, codes),
        coverage=pd.DataFrame({"coverage promised": _NOMINAL, "rows inside": actual}),
    )


def _too_narrow(found: Intervals) -> Iterator[str]:
    """Whether fewer rows are inside their intervals than chance explains."""
    n = len(found.transforms)
    inside = found.coverage.set_index("coverage promised")["rows inside"][_JUDGED]
    if binom.cdf(np.ceil(inside * n), n, _JUDGED) < _RARE:
        yield (
            f"coverage: {_JUDGED:.0%} intervals hold {inside:.1%} of the rows, so they are too "
            "narrow: the model is surer than it should be."
        )


def _leave_out(look: Look, model: Any, X: Any, y: Any, sample_weight: Any) -> None:
    """What needs the rows of fit: R^2 and leave-one-out densities."""
    try:
        rows = fitted_rows(model, X, y, sample_weight)
    except ValueError as error:
        look.loo_missing = FROM_A_FILE
        if X is not None:
            look.loo_missing = f"R² and leave-one-out densities are of the rows of fit. {error}"
        return
    look.of_fit = True
    look.r2 = _r2(model, rows)
    if len(rows.y) > _MOST_ROWS:
        look.loo_missing = (
            f"Leave-one-out densities of {len(rows.y):,} distinct rows would take minutes, and are "
            "left out: model.loo() has them."
        )
        return
    with warnings.catch_warnings():  # the page says itself what these would
        warnings.simplefilter("ignore")
        look.loo = model.loo(X, y, sample_weight)


def _r2(model: Fitted, rows: Any) -> pd.DataFrame:
    """R^2, and what parts of the model have of it."""
    parts = r2_parts(model._posterior.thinned(_DRAWS), rows)
    draws = np.vstack([parts.sum(axis=0), parts])
    factors = model._spec.labels.factors
    if not factors:
        draws = draws[:1]
    lower, upper = quantiles_of(draws, central(0.9)).T
    names = ["all (conditional)", "population level (marginal)"]
    names += [f"effects of {factor}" for factor in factors]
    return pd.DataFrame(
        {
            "part": names[: len(draws)],
            "R²": draws.mean(axis=1),
            "lower": lower,
            "upper": upper,
        }
    )


def in_a_sentence(look: Look) -> list[str]:
    """What the top of the page says of it, beside what is unlike the model."""
    said = []
    if look.overall is not None and not (look.unlike or look.worse):
        names = look.overall.loc[look.overall["p_value"].notna(), "statistic"]
        said.append(
            f"Outcomes that the model replicates look like those observed by their "
            f"{listed(names).replace(chr(39), '')}."
        )
    if look.intervals is not None:
        inside = look.intervals.coverage.set_index("coverage promised")["rows inside"][_JUDGED]
        said.append(f"90% intervals hold {inside:.1%} of the {_rows(look)}.")
    if told := [*_of_points(look), *_of_bayesian_r2(look)]:
        said.append(f"{'; '.join(told)}.")
    if look.loo is not None and look.loo.n_unreliable:
        said.append(
            f"{look.loo.n_unreliable} of {len(look.loo.pointwise):,} distinct rows change the "
            f"posterior much by themselves (Pareto k above {look.loo.threshold:.2f})."
        )
    return said


def _of_points(look: Look) -> Iterator[str]:
    """How close predictions are."""
    points = look.points
    if points is None:
        return
    if np.isnan(points.accuracy):
        yield f"R² of the expected outcome (score) is {points.r2:.2f}"
        return
    yield (
        f"{points.accuracy:.1%} of the {_rows(look)} are predicted right (score), where the more "
        f"frequent class has {points.most_frequent:.1%}; R² of the probability is {points.r2:.2f}"
    )


def _of_bayesian_r2(look: Look) -> Iterator[str]:
    """What the model holds its share of the variance to be."""
    if look.r2 is not None:
        r2 = look.r2.iloc[0]
        yield f"Bayesian R² is {r2['R²']:.2f} ({r2['lower']:.2f} to {r2['upper']:.2f})"


def _rows(look: Look) -> str:
    return "rows of fit" if look.of_fit else "rows given"
