"""The report: its sections, in the order in which one reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _num_samples, check_is_fitted

from skhlm.diagnostics import Diagnostics
from skhlm.displays import (
    GroupEffectsDisplay,
    PosteriorPredictiveDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.estimator import HierarchicalModel
from skhlm.html_report.page import (
    Section,
    bullets,
    formula,
    paragraph,
    picture,
    render,
    table,
)
from skhlm.html_report.rows import rows_of_fit
from skhlm.html_report.words import in_symbols, in_words, priors_in_words
from skhlm.inputs.classes import check_labels
from skhlm.inputs.design import Rows
from skhlm.inputs.frames import check_observed
from skhlm.inputs.outcomes import name_of_outcome
from skhlm.methods.fitted_rows import can_be_replicated
from skhlm.outputs import replacing
from skhlm.reports.parameters import where_in_words

_MOST_FEATURES = 6  # pictures of response curves
_MOST_PANELS = 6  # in each of them
_AS_A_CURVE = "The outcome, and outcomes that the model replicates."
_REPLICATED = {  # what is seen of them
    "density": _AS_A_CURVE,
    "ecdf": _AS_A_CURVE,
    "rootogram": "How often each number was observed, hanging from how often the model expects it.",
    "calibration": "How often it was so among rows of about the same probability.",
}
_POOLING = ("no_pooling", "partial_pooling", "complete_pooling")


def report(
    model: HierarchicalModel,
    path: str | Path,
    X: Any = None,
    y: Any = None,
    sample_weight: Any = None,
) -> None:
    """Write everything about a model as one HTML file that needs neither network nor script.

    The model in words and symbols, its data, every check, the parameters, shrinkage, group
    effects and response curves, as tables and pictures.

    Parameters
    ----------
    model : HLMRegressor or HLMClassifier
        Fitted.
    path : str or Path
        The file to write. One that exists is replaced once the new one is complete.
    X : frame or array-like of shape (n_samples, n_features), default=None
        Rows to compare the model with; by default those of fit, which the model remembers
        until it is pickled or saved. Without any rows that comparison is left out.
    y : array-like of shape (n_samples,), default=None
        Their outcome.
    sample_weight : array-like of shape (n_samples,), default=None
        How often each of these rows counts; of shares the number of trials.

    Raises
    ------
    NotFittedError
        When the model has not been fitted.
    ImportError
        Without matplotlib: ``pip install 'skhlm[plot]'``.
    TypeError
        When it is of another class.
    ValueError
        If only one of X and y is given, or weights without them; if weights are no whole numbers,
        or y holds shares that are not of so many trials.

    Examples
    --------
    >>> import skhlm
    >>> skhlm.report(model, "report.html")  # doctest: +SKIP
    """
    if not isinstance(model, HierarchicalModel):
        raise TypeError(
            f"report: got a {type(model).__name__}. A report is about an HLMRegressor or an "
            "HLMClassifier; of a pipeline or search give the one inside, and X as it reaches that."
        )
    check_is_fitted(model)
    if (X is None) != (y is None):
        raise ValueError("report: give both X and y, or neither.")
    if X is None and sample_weight is not None:
        raise ValueError("report: sample_weight is of rows X and y: give these, too.")
    if y is not None:
        check = check_observed if model._spec.classes is None else check_labels
        y = pd.Series(check(y, _num_samples(X)), name=name_of_outcome(y))
    page = _page(model, X, y, sample_weight)
    with replacing(path) as file:
        file.write(page.encode("utf-8", "backslashreplace"))  # labels may hold half characters


def _page(model: HierarchicalModel, X: Any, y: Any, sample_weight: Any) -> str:
    """The page, section by section."""
    told = [bullets(in_words(model)), formula(in_symbols(model)), bullets(priors_in_words(model))]
    return render(
        _title(model),
        _verdict(model.diagnostics_),
        [
            Section("Model", told),
            Section("Data", list(_data(model, X, y, sample_weight))),
            Section("Diagnosis", list(_diagnosis(model))),
            Section("Parameters", list(_parameters(model))),
            *([Section("Shrinkage", list(_shrinkage(model)))] if model.groups_ else []),
            *([Section("Group effects", list(_effects(model)))] if model.groups_ else []),
            *([Section("Response curves", list(_curves(model, X, y)))] if _features(model) else []),
        ],
    )


def _title(model: HierarchicalModel) -> str:
    """Of which outcome, where it is not any number."""
    spec, family = model._spec, model._posterior.family
    if not family.scale:
        return "A hierarchical linear model"
    what = "yes or no" if spec.classes is not None else family.noun
    return f"A hierarchical model of {spec.outcome_name or what}"


def _verdict(diagnostics: Diagnostics) -> str:
    """The verdict, and that there are notes."""
    n = len(diagnostics.notes)
    notes = f", with {n} note{'s' * (n > 1)}" if n else ""
    return f"Verdict of the checks: {diagnostics.verdict}{notes}."


def _data(model: HierarchicalModel, X: Any, y: Any, sample_weight: Any) -> Iterator[str]:
    """Rows, levels, predictors; the outcome against replications of it."""
    spec, rows = model._spec, model._fit.rows
    if rows is not None:
        yield paragraph(_rows_in_words(model, rows))
    weights = pd.DataFrame(
        {
            "factor": spec.labels.factors,
            "levels": [len(levels) for levels in spec.labels.levels],
            f"fewest {model._unit}s": [float(w.min()) for w in spec.level_weights],
            f"most {model._unit}s": [float(w.max()) for w in spec.level_weights],
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
    if X is None and rows is not None and not can_be_replicated(model, rows):
        what = "weights" if model._unit == "row" else "trials, or successes among them,"
        yield paragraph(
            f"The {what} are no whole numbers, so the outcome cannot be replicated {model._unit} "
            f"by {model._unit}."
        )
        return
    display = PosteriorPredictiveDisplay.from_estimator(model, X, y, sample_weight)
    yield picture(display.figure_, _REPLICATED[display.kind_])
    yield table(model.posterior_predictive_check(X, y, sample_weight))


def _rows_in_words(model: HierarchicalModel, rows: Rows) -> str:
    """How many there are, and what was observed in them."""
    spec, n = model._spec, float(rows.weight.sum())
    distinct = f"({len(rows.y):,} distinct ones)"
    lies = f"the outcome lies between {rows.y.min():.4g} and {rows.y.max():.4g}"
    if spec.classes is not None:
        yes = float(rows.weight @ rows.y)
        first, second = spec.classes.plain
        return f"{n:,.0f} rows {distinct}: {yes:,.0f} of {second}, {n - yes:,.0f} of {first}."
    if model._posterior.family.is_binary:
        return f"{n:,.0f} trials in {len(rows.given):,} rows {distinct}; {lies}."
    if spec.exposure is not None:
        exposure = np.exp(rows.X[:, -1])
        lies += (
            f"; the exposure, {spec.columns.group_name(spec.exposure)}, between "
            f"{exposure.min():.4g} and {exposure.max():.4g}, {rows.weight @ exposure:,.4g} in all"
        )
    return f"{n:,.0f} rows {distinct}; {lies}."


def _diagnosis(model: HierarchicalModel) -> Iterator[str]:
    """Every check, and the ranks of the draws of each chain."""
    checks = model.diagnose()
    yield table(checks if checks["advice"].any() else checks.drop(columns="advice"))
    if model._posterior.n_chains > 1:
        display = TraceDisplay.from_estimator(model)
        caption = "Ranks of each chain's draws among those of all chains: level where they agree."
        yield picture(display.figure_, caption)


def _parameters(model: HierarchicalModel) -> Iterator[str]:
    """Everything but the group effects, and what the numbers refer to."""
    yield paragraph(_where(model))
    yield table(model.summary())


def _shrinkage(model: HierarchicalModel) -> Iterator[str]:
    """How far each level is pulled, as a picture for each factor and as a table."""
    yield paragraph(
        "B is the shrinkage factor: 0 leaves a level to its own data, 1 replaces its coefficient "
        f"by the common value. {_where(model)}"
    )
    for factor in model.groups_:
        display = ShrinkageDisplay.from_estimator(model, factor=factor)
        caption = f"{factor}: from what a level's own rows say to its partially pooled estimate."
        yield picture(display.figure_, caption)
    columns = ["factor", "level", "coefficient", "n", "B", *_POOLING]
    yield table(model.shrinkage_factors()[columns])


def _effects(model: HierarchicalModel) -> Iterator[str]:
    """Effects of each factor's levels."""
    yield paragraph(_where(model))
    for factor in model.groups_:
        display = GroupEffectsDisplay.from_estimator(model, factor=factor)
        yield picture(display.figure_, f"{factor}: group effects with 90% intervals.")
    yield table(model.group_effects())


def _curves(model: HierarchicalModel, X: Any, y: Any) -> Iterator[str]:
    """The expected outcome along each predictor, the others at their means."""
    observed = rows_of_fit(model) if X is None else (X, y)
    features = _features(model)
    for position in features[:_MOST_FEATURES]:
        name = model._spec.columns.predictor_name(position)
        display = _draw_curves(model, position, observed)
        said = [f"{_expected(model)} along {name}"]
        said += ["the other predictors at their means"] * (len(features) > 1)
        said += ["at the mean exposure of fit"] * (model._spec.exposure is not None)
        drawn, n = len(display.panels_), display.n_curves
        said += [f"{drawn} of {n} curves, from the lowest to the highest"] * (drawn < n)
        yield picture(display.figure_, f"{'; '.join(said)}.")


def _expected(model: HierarchicalModel) -> str:
    """What a curve is of."""
    classes = model._spec.classes
    if classes is None:
        return "The expected outcome"
    return f"The probability of {classes.plain[1]}"


def _draw_curves(
    model: HierarchicalModel, position: int, observed: tuple[Any, Any] | None
) -> ResponseCurveDisplay:
    """Some curves, evenly from the lowest to the highest in the middle, and the observed points."""
    from matplotlib import pyplot as plt

    display = ResponseCurveDisplay.from_estimator(
        model, None, position, observed=observed, panels=[0]
    )
    n = len(display.names)
    if n == 1:
        return display
    plt.close(display.figure_)
    order = np.argsort(display.mean[:, len(display.grid) // 2], kind="stable")
    picks = np.linspace(0, n - 1, min(n, _MOST_PANELS)).round().astype(np.int64)
    return display.plot(panels=order[picks].tolist())


def _where(model: HierarchicalModel) -> str:
    """What the numbers of tables refer to."""
    return where_in_words(model._spec.labels, model._posterior.family)


def _features(model: HierarchicalModel) -> list[int]:
    """Positions of the predictors among the columns of X."""
    return model._spec.predictor_positions
