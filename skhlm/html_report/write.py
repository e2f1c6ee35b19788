"""The report: its sections, in the order in which one reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils.validation import _num_samples, check_is_fitted

from skhlm.displays.panels import check_matplotlib
from skhlm.estimator import HierarchicalModel
from skhlm.html_report.fit_checks import look_at_fit
from skhlm.html_report.page import Section, render
from skhlm.html_report.room import fitted, size_of
from skhlm.html_report.sections.about import data, model_in_words, subtitle_of, title_of
from skhlm.html_report.sections.curves import curves
from skhlm.html_report.sections.effects import effects, largest_levels, shrinkage
from skhlm.html_report.sections.explorer import explorer
from skhlm.html_report.sections.fit import fit
from skhlm.html_report.sections.parameters import parameters
from skhlm.html_report.sections.sampling import diagnosis
from skhlm.html_report.sections.verdict import verdicts
from skhlm.inputs.classes import check_labels
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.frames import check_observed
from skhlm.inputs.outcomes import name_of_outcome
from skhlm.outputs import replacing

LARGEST = 3_000_000  # bytes of a file
_CURVES = 400_000  # that the other sections leave to response curves


def report(
    model: HierarchicalModel,
    path: str | Path,
    X: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    *,
    title: str | None = None,
    features: Sequence[str | int] | None = None,
) -> None:
    """Write everything about a model as one HTML file that needs no network.

    At its top it says whether the draws can be trusted, with advice for each check that did not
    pass, and whether the model describes the rows. Below are the model in words and symbols, its
    data, how well it fits (predictive checks, intervals, residuals, R-squared, rows left out),
    every check, an explorer of the draws, and all parameters, coefficients, group effects and
    shrinkage factors in tables that can be sorted and searched, with pictures of them and of
    response curves.

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
    title : str or None, default=None
        Title of the page; None says what the outcome is.
    features : sequence of str or int, default=None
        Predictors, by name or position in X, along which to draw response curves. None is every
        one, or the first 60.

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
        or y holds shares that are not of so many trials; if a feature is no predictor.

    Notes
    -----
    The file is at most 3 MB, whatever the model. Its tables are complete up to 20,000 rows each,
    and draws in the explorer are thinned; what is left out is said where it is missing. Apart from
    its date and the seconds of fit, the same model with the same rows writes the same page. Charts
    are drawn by uPlot, which is inside; a browser of before 2023, or one that runs no scripts,
    shows all but the explorer and the ends of long tables.

    Examples
    --------
    >>> import skhlm
    >>> skhlm.report(model, "report.html", title="Spring campaigns")  # doctest: +SKIP
    """
    if not isinstance(model, HierarchicalModel):
        raise TypeError(
            f"report: got a {type(model).__name__}. A report is about an HLMRegressor or an "
            "HLMClassifier; of a pipeline or search give the one inside, and X as it reaches that."
        )
    check_is_fitted(model)
    check_matplotlib("report")
    if (X is None) != (y is None):
        raise ValueError("report: give both X and y, or neither.")
    if X is None and sample_weight is not None:
        raise ValueError("report: sample_weight is of rows X and y: give these, too.")
    positions = _positions(model, features)
    if y is not None:
        check = check_observed if model._spec.classes is None else check_labels
        y = pd.Series(check(y, _num_samples(X)), name=name_of_outcome(y))
    page = _page(model, (X, y, sample_weight), title, positions, named=features is not None)
    with replacing(path) as file:
        file.write(page.encode("utf-8", "backslashreplace"))  # labels may hold half characters


def _positions(model: HierarchicalModel, features: Any) -> list[int]:
    """Positions in X of predictors that are named, or of all."""
    every: list[int] = model._spec.predictor_positions
    if features is None:
        return every
    names: dict[Any, int] = {
        model._spec.columns.predictor_name(position): position for position in every
    }
    chosen: list[Any] = [features] if isinstance(features, (str, int)) else list(features)
    found = []
    for feature in chosen:
        position = names.get(feature, feature)
        if isinstance(position, bool) or position not in every:
            raise ValueError(
                f"features: there is no predictor {feature!r}. The predictors are {listed(names)}."
                f"{suggestion(feature, names)}"
            )
        found.append(int(position))
    return found


def _page(
    model: HierarchicalModel,
    rows: tuple[Any, Any, Any],
    title: str | None,
    positions: Sequence[int],
    *,
    named: bool,
) -> str:
    """The page, section by section."""
    look = look_at_fit(model, *rows)
    sections = {
        "Model": model_in_words(model),
        "Data": data(model, *rows),
        "Fit": fit(model, look, *rows),
        "Diagnosis": diagnosis(model),
        "Explore": explorer(model, largest_levels(model)),
        "Parameters": parameters(model),
    }
    if model.groups_:
        sections |= {"Shrinkage": shrinkage(model), "Group effects": effects(model)}
    top = title_of(model) if title is None else title, subtitle_of(model)
    cards = list(verdicts(model.diagnostics_, look))
    names = [*sections, *["Response curves"] * bool(positions)]
    room = LARGEST - size_of(render(*top, cards, [Section(name, []) for name in names]))
    written = _fitted(sections, room - _CURVES * bool(positions))
    if positions:
        room -= sum(size_of(part) for section in written for part in section.parts)
        drawn = curves(model, *rows[:2], positions, named=named, room=room)
        written.append(Section("Response curves", list(drawn)))
    return render(*top, cards, written)


def _fitted(sections: Mapping[str, Iterable[str]], most: int) -> list[Section]:
    """Sections of at most so many bytes in all."""
    parts = {name: list(of_section) for name, of_section in sections.items()}
    left = iter(fitted(list(chain.from_iterable(parts.values())), most))
    return [Section(name, list(islice(left, len(own)))) for name, own in parts.items()]
