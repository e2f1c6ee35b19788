"""How well the model fits: predictive checks, intervals, residuals, R-squared, rows left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from skhlm.displays import PosteriorPredictiveDisplay
from skhlm.html_report.drawings import residuals_figure
from skhlm.html_report.fit_checks import INSIDE, Intervals, Look
from skhlm.html_report.page import heading, paragraph, picture
from skhlm.html_report.table import table
from skhlm.posterior.leave_one_out import LeaveOneOut

_AS_A_CURVE = "The outcome, and outcomes that the model replicates."
_REPLICATED = {  # what is seen of them
    "density": _AS_A_CURVE,
    "ecdf": _AS_A_CURVE,
    "rootogram": "How often each number was observed, hanging from how often the model expects it.",
    "calibration": "How often it was so among rows of about the same probability.",
}
_REPLICATIONS = (
    f"lower and upper hold {INSIDE:.0%} of the replications; the p value is the share of them with "
    "a statistic at least as large as the observed one: near 0 and near 1 is unlike the model."
)
_WORST = 15  # rows by Pareto k


def fit(model: Any, look: Look, X: Any, y: Any, sample_weight: Any) -> Iterator[str]:
    """Everything that compares the model with rows."""
    if look.missing:
        yield paragraph(look.missing)
    if look.points is not None:
        yield table(look.points.table(), "Point predictions", _POINTS, folded=False)
    if look.overall is not None:
        yield heading("Replications of the outcome")
        display = PosteriorPredictiveDisplay.from_estimator(model, X, y, sample_weight)
        yield picture(display.figure_, _REPLICATED[display.kind_])
        yield table(look.overall, "Predictive checks", _REPLICATIONS, folded=False)
        yield from _by_factor(look)
    if look.intervals is not None:
        yield from _intervals(look.intervals, of_fit=look.of_fit)
    yield heading("R² and rows left out")
    if look.r2 is not None:
        yield table(look.r2, "R²", _R2, folded=False)
    if look.loo is not None:
        yield from _left_out(look.loo)
    if look.loo_missing and look.loo_missing != look.missing:
        yield paragraph(look.loo_missing, "left-out")


_POINTS = (
    "How close the expected outcomes are to these rows, beside the one number, or class, that is "
    "closest to all of them. R² below 0 is worse than that."
)
_R2 = (
    "The share of the outcome's variance that the model explains in the rows of fit, with 90% "
    "intervals; the parts add up to it, each by its covariance with the sum of all."
)


def _by_factor(look: Look) -> Iterator[str]:
    """Statistics of each level, those most unlike the model first."""
    for factor, check in look.by_factor.items():
        yield table(check, f"Predictive checks by {factor}", _REPLICATIONS, folded=True)
    if look.too_many:
        yield paragraph(
            f"Levels of {', '.join(look.too_many)} are too many to be checked one by one here: "
            "model.posterior_predictive_check(by=...) does.",
            "left-out",
        )


def _intervals(found: Intervals, *, of_fit: bool) -> Iterator[str]:
    """Coverage, transforms and residuals."""
    yield heading("Intervals and residuals")
    said = "The share of rows inside their prediction intervals."
    if of_fit:
        said += " The model has seen these rows, so that a few more are inside than of new ones."
    yield table(found.coverage, "Coverage", said, folded=False)
    figure = residuals_figure(found.transforms, found.residuals, found.fitted)
    yield picture(
        figure,
        "Left: the probability below each observed outcome, level where the model is right. Heaps "
        "at the ends are intervals that are too narrow, one in the middle too wide ones. Right: "
        "the same as normal scores against the expected outcome: no pattern, one in 20 beyond 2.",
    )


def _left_out(loo: LeaveOneOut) -> Iterator[str]:
    """Leave-one-out densities, and the rows that change the posterior most."""
    numbers = {
        "elpd": loo.elpd,
        "standard error": loo.se,
        "p_loo": loo.p_loo,
        "largest Pareto k": float(loo.pointwise["pareto_k"].max()),
        "rows above": loo.n_unreliable,
        "threshold": loo.threshold,
    }
    yield table(
        pd.DataFrame([numbers]),
        "Rows left out one at a time",
        "elpd is the expected log predictive density: higher is better, among models of the same "
        "rows. p_loo is the effective number of parameters.",
        folded=False,
    )
    k = loo.pointwise["pareto_k"]
    worst = k.sort_values(ascending=False, kind="stable").index[:_WORST]
    frame = pd.concat([loo.rows.loc[worst], loo.pointwise.loc[worst]], axis=1)
    yield table(
        frame,
        f"The {len(worst)} rows with the largest Pareto k",
        f"Of {len(k):,} distinct rows: those that change the posterior most. Above "
        f"{loo.threshold:.2f} their elpd cannot be relied on.",
        folded=True,
    )
