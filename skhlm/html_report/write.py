"""Sections of the report, in the order in which one reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from skhlm.displays import (
    GroupEffectsDisplay,
    PosteriorPredictiveDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.html_report.page import (
    Section,
    bullets,
    formula,
    paragraph,
    picture,
    render,
    table,
)
from skhlm.html_report.words import in_symbols, in_words
from skhlm.inputs.frames import predictor_positions

_MOST_FEATURES = 6  # pictures of response curves


def write_report(model: Any, path: str | Path, X: Any = None, y: Any = None) -> None:
    """Write the report of a fitted model as one HTML file.

    Parameters
    ----------
    model : HLMRegressor
        Fitted.
    path : str or Path
    X, y : rows and their outcome, optional
        For the check against data; the training rows by default, where the model still has them.
    """
    diagnostics = model.diagnostics_
    page = render(
        "A hierarchical linear model",
        f"Verdict of the checks: {diagnostics.verdict}.",
        [
            Section("Model", [bullets(in_words(model)), formula(in_symbols(model))]),
            Section("Data", list(_data(model, X, y))),
            Section("Diagnosis", list(_diagnosis(model))),
            Section("Parameters", [table(model.summary())]),
            *([Section("Shrinkage", list(_shrinkage(model)))] if model.groups_ else []),
            *([Section("Group effects", list(_effects(model)))] if model.groups_ else []),
            *([Section("Response curves", list(_curves(model)))] if _features(model) else []),
        ],
    )
    Path(path).write_text(page, encoding="utf-8")


def _data(model: Any, X: Any, y: Any) -> Iterator[str]:
    """Rows, levels, predictors; the outcome against replications of it."""
    spec, rows = model._spec, model._training
    if rows is not None:
        yield paragraph(
            f"{rows.weight.sum():,.0f} rows ({len(rows.y):,} distinct ones); the outcome lies "
            f"between {rows.y.min():.4g} and {rows.y.max():.4g}."
        )
    weights = pd.DataFrame(
        {
            "factor": spec.labels.factors,
            "levels": [len(levels) for levels in spec.labels.levels],
            "fewest rows": [float(w.min()) for w in spec.level_weights],
            "most rows": [float(w.max()) for w in spec.level_weights],
        }
    )
    if len(weights):
        yield table(weights)
    if rows is None and X is None:
        yield paragraph(
            "The model came from a file, which holds no training rows: give X and y to see the "
            "outcome against replications of it."
        )
        return
    display = PosteriorPredictiveDisplay.from_estimator(model, X, y)
    yield picture(display.figure_, "The outcome, and outcomes that the model replicates.")
    yield table(model.posterior_predictive_check(X, y))


def _diagnosis(model: Any) -> Iterator[str]:
    """Every check, and the ranks of the draws of each chain."""
    yield table(model.diagnose())
    if model._posterior.n_chains > 1:
        display = TraceDisplay.from_estimator(model)
        caption = "Ranks of each chain's draws among those of all chains: level where they agree."
        yield picture(display.figure_, caption)


def _shrinkage(model: Any) -> Iterator[str]:
    """How far each level is pulled, as a picture for each factor and as a table."""
    yield paragraph(
        "B is the shrinkage factor: 0 leaves a level to its own data, 1 replaces its coefficient "
        "by the common value."
    )
    for factor in model.groups_:
        display = ShrinkageDisplay.from_estimator(model, factor=factor)
        caption = f"{factor}: from what a level's own rows say to its partially pooled estimate."
        yield picture(display.figure_, caption)
    yield table(model.shrinkage_factors())


def _effects(model: Any) -> Iterator[str]:
    """Effects of each factor's levels."""
    for factor in model.groups_:
        display = GroupEffectsDisplay.from_estimator(model, factor=factor)
        yield picture(display.figure_, f"{factor}: group effects with 90% intervals.")
    yield table(model.group_effects())


def _curves(model: Any) -> Iterator[str]:
    """The expected outcome along each predictor, the others at their means."""
    for position in _features(model)[:_MOST_FEATURES]:
        display = ResponseCurveDisplay.from_estimator(model, None, position)
        name = model._spec.columns.predictor_name(position)
        yield picture(display.figure_, f"The expected outcome along {name}.")


def _features(model: Any) -> list[int]:
    """Positions of the predictors among the columns of X."""
    return predictor_positions(model._spec.groups.hierarchies, model._spec.columns)
