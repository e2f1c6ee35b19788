"""What each command of ``skhlm`` does: options in, files out."""

from __future__ import annotations

import inspect
import sys
from argparse import Namespace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from skhlm.cli.prior_terms import combine_priors
from skhlm.cli.tables import column, read_table, write_table
from skhlm.files.persistence import load, save
from skhlm.inputs.columns import listed
from skhlm.inputs.labels import path
from skhlm.regressor import HLMRegressor
from skhlm.reports.parameters import where_in_words

_EXIT = {"pass": 0, "warn": 3, "fail": 4}


def fit(options: Namespace) -> int:
    """Fit a model to a table and save it; the exit code tells a verdict of "fail"."""
    table = _read(options)
    y = column(table, options.target, "--target")
    weight = options.sample_weight and column(table, options.sample_weight, "--sample-weight")
    X = table.drop(columns=[c for c in (options.target, options.sample_weight) if c])
    model = HLMRegressor(options.groups, **_parameters(options))
    X = X[_used_columns(X, options)]
    model.fit(X, y, sample_weight=None if weight is None else weight.to_numpy())
    save(model, options.output)
    print(_what_became(model, len(X), options.output))
    return 4 if model.diagnostics_.verdict == "fail" else 0


def predict(options: Namespace) -> None:
    """The rows with their predictions: columns prediction, lower, upper."""
    model, table = _load(options.model), _read(options)
    if options.unseen:
        model.set_params(unseen=options.unseen)
    X = _columns_of_fit(table, model)
    lower, upper = model.predict_interval(X, options.coverage, options.kind).T
    predicted = {"prediction": model.predict(X), "lower": lower, "upper": upper}
    if taken := [name for name in predicted if name in table]:
        raise ValueError(
            f"{options.data} has columns called {', '.join(taken)}, as the predictions are: "
            "rename or remove them."
        )
    write_table(table.assign(**predicted), options.output)


def curve(options: Namespace) -> None:
    """Response curves along one predictor."""
    model = _load(options.model)
    X = None if options.data is None else _columns_of_fit(_read(options), model)
    curves = model.response_curve(
        X,
        options.feature,
        grid=None if options.grid is None else _grid(*options.grid),
        coverage=options.coverage,
        kind=options.kind,
        slope=options.slope,
    )
    write_table(curves, options.output)


def summary(options: Namespace) -> None:
    """One of the model's tables, on the screen or in a file."""
    model = _load(options.model)
    if options.factor and options.of not in ("group_effects", "shrinkage_factors"):
        raise ValueError(f"--factor: {options.of} is not by grouping factor.")
    arguments = {"factor": options.factor} if options.factor else {}
    table: pd.DataFrame = getattr(model, options.of)(**arguments)
    if "level" in table:
        table = table.assign(level=table["level"].map(path))
    if options.output:
        write_table(table, options.output)
    else:
        print(_as_text(table))
        print("\n".join(["", where_in_words(model._spec.labels), *_notes(model)]))


def diagnose(options: Namespace) -> int:
    """Every check of the model, what to do about it; the exit code tells the verdict."""
    model = _load(options.model)
    verdict: str = model.diagnostics_.verdict
    checks = model.diagnose()[["check", "verdict", "value", "threshold"]]
    print(_as_text(checks))
    said = [*model.diagnostics_.messages, *_notes(model)]
    print("\n".join(["", *said, f"verdict: {verdict}"]))
    return _EXIT[verdict]


def report(options: Namespace) -> None:
    """The model's report as one HTML file."""
    if (options.data is None) != (options.target is None):
        raise ValueError("--data and --target go together: rows and the column of their outcome.")
    model = _load(options.model)
    X = y = None
    if options.data is not None:
        table = _read(options)
        X, y = _columns_of_fit(table, model), column(table, options.target, "--target")
    model.report(options.output, X, y)


def demo(options: Namespace) -> None:
    """The tour."""
    from skhlm.demo.__main__ import main as tour

    arguments, sys.argv = sys.argv, ["skhlm demo", options.output]
    try:
        tour()
    finally:
        sys.argv = arguments


def _as_text(table: pd.DataFrame) -> str:
    """A table for the screen."""
    return table.to_string(index=False, float_format=lambda x: f"{x:.4g}")


def _notes(model: HLMRegressor) -> list[str]:
    """What the checks note, a line each."""
    return [f"Note: {note}" for note in model.diagnostics_.notes]


def _read(options: Namespace) -> pd.DataFrame:
    """The table that the options name."""
    return read_table(options.data, options.sep, options.decimal)


def _what_became(model: HLMRegressor, n_rows: int, file: str) -> str:
    """A fit in a line, and in another one which checks found something."""
    verdict, n = model.diagnostics_.verdict, len(model.groups_)
    lines = [
        f"{n_rows} rows, {n} grouping factor{'s' * (n != 1)}; verdict: {verdict}; saved to {file}"
    ]
    if found := [f"{c.name} ({c.verdict})" for c in model.diagnostics_.checks if c.advice]:
        lines.append(f"found: {', '.join(found)}; what it means: skhlm diagnose {file}")
    return "\n".join(lines)


def _parameters(options: Namespace) -> dict[str, Any]:
    """Parameters of the estimator that were given as options."""
    names = set(inspect.signature(HLMRegressor).parameters) - {"groups"}
    given = {name: value for name, value in vars(options).items() if name in names}
    if given.get("varying") in (["all"], ["intercept"]):
        (given["varying"],) = given["varying"]
    if "priors" in given:
        given["priors"] = combine_priors(given["priors"])
    return given


def _used_columns(X: pd.DataFrame, options: Namespace) -> list[str]:
    """The predictors asked for, or all others, and group columns, in the order of the table."""
    grouped = {part for path in options.groups or () for part in _parts(X, path)}
    for name in options.predictors or ():
        column(X, name, "--predictors")
    chosen = [c for c in X if c in options.predictors] if options.predictors else list(X)
    if wrong := [c for c in chosen if c not in grouped and not _is_numeric(X[c])]:
        raise ValueError(
            f"{listed(wrong)} cannot be read as numbers. Name the predictors, without "
            f"{'it' if len(wrong) == 1 else 'them'}: --predictors COLUMN ...; or, if rows of one "
            f"value belong together, say --groups {wrong[0]}."
        )
    return [name for name in X.columns if name in grouped or name in chosen]


def _parts(X: pd.DataFrame, path: str) -> list[str]:
    """The group columns of a hierarchy."""
    parts = [path] if path in X else path.split("/")
    for part in parts:
        column(X, part, "--groups")
    return parts


def _is_numeric(values: pd.Series[Any]) -> bool:
    """Whether a column can be a predictor."""
    if is_datetime64_any_dtype(values):
        return False
    try:
        pd.to_numeric(values)
    except (TypeError, ValueError):
        return False
    return True


def _load(file: str) -> HLMRegressor:
    model = load(file)
    if not isinstance(model, HLMRegressor):
        raise TypeError(f"{file} holds a {type(model).__name__}, not a hierarchical model.")
    return model


def _columns_of_fit(table: pd.DataFrame, model: HLMRegressor) -> pd.DataFrame:
    """The columns of fit in their order, from a table that may have others too."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return table
    for name in names:
        column(table, name, "the model needs a column that the table lacks")
    return table[list(names)]


def _grid(start: float, stop: float, points: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Evenly spaced values."""
    if points != int(points) or points < 2:
        raise ValueError(f"--grid: the number of points must be a whole number > 1, got {points}.")
    return np.linspace(start, stop, int(points))
