"""What each command of ``skhlm`` does: options in, files out."""

from __future__ import annotations

import inspect
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from skhlm.classifier import HLMClassifier
from skhlm.cli.fields import as_labels, as_numbers
from skhlm.cli.outcomes import choose_estimator, holds_numbers, kind_of_interval, outcome_columns
from skhlm.cli.prior_terms import combine_priors
from skhlm.cli.remedies import in_options
from skhlm.cli.tables import (
    check_name,
    column,
    is_parquet,
    names_of,
    read_table,
    without_index,
    write_table,
)
from skhlm.estimator import HierarchicalModel
from skhlm.files.persistence import load, save
from skhlm.inputs.columns import Label, listed
from skhlm.inputs.labels import paths
from skhlm.outputs import is_stream
from skhlm.reports.parameters import where_in_words

_EXIT = {"pass": 0, "warn": 3, "fail": 4}


def fit(options: Namespace) -> int:
    """Fit a model to a table and save it; the exit code tells a verdict of "fail"."""
    table = _read(options, lambda table: _text_of_fit(table, options), _named(options))
    y = column(table, options.target, "--target")
    weight = _weight(table, options)
    X = table.drop(columns=[c for c in (options.target, options.sample_weight) if c])
    estimator = choose_estimator(y, options)
    model = estimator(options.groups, **_parameters(options, estimator))
    X = X[_used_columns(X, options)]
    model.fit(X, y, sample_weight=weight)
    save(model, options.output)
    printed = not is_stream(Path(options.output))  # which may be what is printed to
    _tell(_what_became(model, len(X), options.output), sys.stdout if printed else sys.stderr)
    return 4 if model.diagnostics_.verdict == "fail" else 0


def predict(options: Namespace) -> None:
    """The rows with their predictions: columns prediction, lower, upper; of classes more."""
    model = _load(options.model)
    table = _read_rows(options, model)
    if options.unseen:
        model.set_params(unseen=options.unseen)
    X = _columns_of_fit(table, model, options)
    predicted = outcome_columns(model, X, options.coverage, options.kind)
    if taken := [name for name in predicted if name in table]:
        raise ValueError(
            f"{options.data} has columns called {', '.join(taken)}, as the predictions are: "
            "rename or remove them."
        )
    carried = {name: table[name] for name in names_of(table) if name not in {*X, *options.text}}
    told = table.assign(**{name: as_numbers(fields) for name, fields in carried.items()})
    write_table(told.assign(**predicted), options.output)


def curve(options: Namespace) -> None:
    """Response curves along one predictor."""
    model = _load(options.model)
    X = None
    if options.data is not None:
        X = _columns_of_fit(_read_rows(options, model), model, options)
    curves = model.response_curve(
        X,
        options.feature,
        grid=None if options.grid is None else _grid(*options.grid),
        coverage=options.coverage,
        kind=kind_of_interval(model, options.kind),
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
        table = table.assign(level=paths(table["level"].tolist()))
    if options.output:
        write_table(table, options.output)
    else:
        _tell(_as_text(table))
        _tell(
            "\n".join(
                ["", where_in_words(model._spec.labels, model._posterior.family), *_notes(model)]
            )
        )


def diagnose(options: Namespace) -> int:
    """Every check of the model, what to do about it; the exit code tells the verdict."""
    model = _load(options.model)
    verdict: str = model.diagnostics_.verdict
    checks = model.diagnose()[["check", "verdict", "value", "threshold"]]
    _tell(_as_text(checks))
    said = [*map(in_options, model.diagnostics_.messages), *_notes(model)]
    _tell("\n".join(["", *said, f"verdict: {verdict}"]))
    return _EXIT[verdict]


def report(options: Namespace) -> None:
    """The model's report as one HTML file."""
    if (options.data is None) != (options.target is None):
        raise ValueError("--data and --target go together: rows and the column of their outcome.")
    if options.data is None and options.sample_weight is not None:
        raise ValueError("--sample-weight is a column of --data: give this, too, and --target.")
    model = _load(options.model)
    X = y = weight = None
    if options.data is not None:
        has_classes = isinstance(model, HLMClassifier)
        numbers = {*[options.target] * (not has_classes), options.sample_weight} - {None}
        table = _read_rows(options, model, *numbers)
        X, y = _columns_of_fit(table, model, options), column(table, options.target, "--target")
        y, weight = _labels_of_fit(y, model, options), _weight(table, options)
    for name in options.features or ():
        check_name(name, _predictors_of(model), "--features")
    model.report(options.output, X, y, weight, title=options.title, features=options.features)


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


def _notes(model: HierarchicalModel) -> list[str]:
    """What the checks note, a line each."""
    return [f"Note: {in_options(note)}" for note in model.diagnostics_.notes]


def _tell(text: str, file: TextIO | None = None) -> None:
    """Print; characters that the terminal lacks are told by their codes."""
    file = file or sys.stdout
    encoding = file.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=file)


def _read(
    options: Namespace, text: Callable[[pd.DataFrame], Iterable[str]], named: Collection[str]
) -> pd.DataFrame:
    """The table that the options name; ``named`` are columns that are asked for by name."""
    if options.text and is_parquet(options.data):
        raise ValueError(f"--text: {options.data} has types of its own; --text is for CSV.")

    def all_text(table: pd.DataFrame) -> set[str]:
        for name in options.text:
            check_name(name, names_of(table), "--text")
        return {*text(table), *options.text}

    table = read_table(options.data, options.sep, options.decimal, all_text)
    return without_index(table, named, options.data)


def _read_rows(options: Namespace, model: HierarchicalModel, *numbers: str) -> pd.DataFrame:
    """Rows for a model, whose predictors alone, and some other columns, can be numbers in CSV."""
    known = model._spec.columns.names or ()

    def text(table: pd.DataFrame) -> set[str]:
        names = names_of(table)
        grouped = _labels_by_name(model, names)
        predictors = {name for name in known or names if name not in grouped}
        return {*names} - predictors - {*numbers}

    return _read(options, text, known)


def _labels_by_name(model: HierarchicalModel, names: Sequence[str]) -> dict[str, tuple[Label, ...]]:
    """What a model has seen in each group column; its columns are called as at fit, if at all."""
    columns = model._spec.columns.names or names
    labels = model._spec.groups.labels
    return {columns[j]: values for j, values in labels.items() if j < len(columns)}


def _what_became(model: HierarchicalModel, n_rows: int, file: str) -> str:
    """A fit in a line, and in another one which checks found something."""
    verdict, n = model.diagnostics_.verdict, len(model.groups_)
    lines = [
        f"{n_rows} rows, {n} grouping factor{'s' * (n != 1)}; verdict: {verdict}; saved to {file}"
    ]
    if found := [f"{c.name} ({c.verdict})" for c in model.diagnostics_.checks if c.advice]:
        lines.append(f"found: {', '.join(found)}; what it means: skhlm diagnose {file}")
    return "\n".join(lines)


def _parameters(options: Namespace, estimator: type[HierarchicalModel]) -> dict[str, Any]:
    """Parameters of the estimator that were given as options."""
    names = set(inspect.signature(estimator).parameters) - {"groups"}
    given = {name: value for name, value in vars(options).items() if name in names}
    if given.get("varying") in (["all"], ["intercept"]):
        (given["varying"],) = given["varying"]
    if "priors" in given:
        given["priors"] = combine_priors(given["priors"])
    return given


def _named(options: Namespace) -> set[str]:
    """What options of fit name, columns among it."""
    paths = options.groups or ()
    parts = {part for path in paths for part in (path, *path.split("/"))}
    asked = {options.target, options.sample_weight, _exposure(options)}
    return {*asked, *(options.predictors or ()), *parts}


def _text_of_fit(table: pd.DataFrame, options: Namespace) -> set[str]:
    """Columns of CSV that fit reads as text: those of groups, and a target of labels."""
    text = _grouped(names_of(table), options)
    if options.target in table and not holds_numbers(table[options.target], flags=True):
        text.add(options.target)
    return text


def _grouped(names: Sequence[str], options: Namespace) -> set[str]:
    """The group columns."""
    return {part for path in options.groups or () for part in _parts(names, path)}


def _used_columns(X: pd.DataFrame, options: Namespace) -> list[str]:
    """The predictors asked for, or all others, and group columns, in the order of the table."""
    grouped, exposure = _grouped(names_of(X), options), _exposure(options)
    for name in options.predictors or ():
        column(X, name, "--predictors")
    if exposure is not None:
        column(X, exposure, "--exposure")
    others = [c for c in X if c not in options.text]
    asked = {*(options.predictors or ()), exposure}
    chosen = [c for c in X if c in asked] if options.predictors else others
    words = [c for c in chosen if c in options.text or not holds_numbers(X[c], flags=True)]
    if exposure in words:
        raise ValueError(
            f"--exposure: column {exposure!r} cannot be read as numbers, to which the expected "
            "outcome is proportional."
        )
    if wrong := [c for c in words if c not in grouped]:
        raise ValueError(
            f"{listed(wrong)} cannot be read as numbers. Name the predictors, without "
            f"{'it' if len(wrong) == 1 else 'them'}: --predictors COLUMN ...; or, if rows of one "
            f"value belong together, say --groups {wrong[0]}."
        )
    return [name for name in X.columns if name in grouped or name in chosen]


def _parts(names: Sequence[str], path: str) -> list[str]:
    """The group columns of a hierarchy."""
    parts = [path] if path in names else path.split("/")
    for part in parts:
        check_name(part, names, "--groups")
    return parts


def _weight(table: pd.DataFrame, options: Namespace) -> Any:
    """How often each row counts, (n,); None if no column says so."""
    name = options.sample_weight
    return None if name is None else column(table, name, "--sample-weight").to_numpy()


def _exposure(options: Namespace) -> str | None:
    """The column to which the expected outcome is proportional."""
    return getattr(options, "exposure", None)


def _predictors_of(model: HierarchicalModel) -> list[str]:
    """What the predictors of a model are called."""
    spec = model._spec
    return [spec.columns.predictor_name(position) for position in spec.predictor_positions]


def _load(file: str) -> HierarchicalModel:
    model: HierarchicalModel = load(file)
    return model


def _labels_of_fit(
    y: pd.Series[Any], model: HierarchicalModel, options: Namespace
) -> pd.Series[Any]:
    """An outcome of CSV as the classes of a classifier are; numbers as they are."""
    if not isinstance(model, HLMClassifier) or is_parquet(options.data):
        return y
    return as_labels(y, model._classes.plain, options.decimal).infer_objects()


def _columns_of_fit(
    table: pd.DataFrame, model: HierarchicalModel, options: Namespace
) -> pd.DataFrame:
    """The columns of fit in their order, from a table that may have others too.

    Where types are not told, group columns are as the model knows them.
    """
    names = model._spec.columns.names or names_of(table)
    for name in names:
        column(table, name, "the model needs a column that the table lacks")
    X = table[list(names)]
    if is_parquet(options.data):
        return X
    known = {c: v for c, v in _labels_by_name(model, names).items() if c not in options.text}
    return X.assign(**{c: as_labels(X[c], v, options.decimal) for c, v in known.items()})


def _grid(start: float, stop: float, points: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Evenly spaced values."""
    if points != int(points) or points < 2:
        raise ValueError(f"--grid: the number of points must be a whole number > 1, got {points}.")
    return np.linspace(start, stop, int(points))
