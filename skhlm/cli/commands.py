"""What each command of ``skhlm`` does: options in, files out."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from skhlm.cli.console import complain, is_terminal, say
from skhlm.cli.derivations import derive
from skhlm.cli.fields import as_numbers, check_numbers
from skhlm.cli.outcomes import kind_of_interval, outcome_columns
from skhlm.cli.reading import columns_of_fit, load_model, read_observed, read_rows
from skhlm.cli.remedies import told
from skhlm.cli.tables import check_name, is_data_set, names_of, write_table
from skhlm.cli.training import Training, gather_training, read_training
from skhlm.cli.words import EXIT, STANDARD, TABLES_OF_ROWS
from skhlm.comparison import compare as cross_validate
from skhlm.comparison.scores import scores_of
from skhlm.estimator import HierarchicalModel
from skhlm.files.persistence import load, save
from skhlm.html_report.point_predictions import worse_than_constant
from skhlm.inputs.columns import listed
from skhlm.inputs.labels import paths
from skhlm.methods.allocation import Allocation, optimize_allocation
from skhlm.numerics.digits import significant
from skhlm.outputs import is_stream
from skhlm.progress import progress_of
from skhlm.reports.parameters import where_in_words

_READING, _FITTING, _SAVING = 0.05, 0.95, 0.9  # of what is left of the progress


def fit(options: Namespace) -> int:
    """Fit a model to a table and save it; the exit code tells a verdict of "fail"."""
    _check_not_shown(options, "a model")
    with progress_of("skhlm fit", _shows_progress(options)) as progress:
        with progress.part(_READING, "reading"):
            read = gather_training if is_data_set(options.data) else read_training
            given = read(options)
        with progress.part(_FITTING):
            model = given.model.fit(given.X, given.y, sample_weight=given.weight)
        with progress.part(_SAVING, "saving"):
            _save(model, options.output)
    tell = complain if _is_printed(options.output) else say
    for line in _what_became(model, given, options.output):
        tell(line)
    return EXIT["fail"] if model.diagnostics_.verdict == "fail" else 0


def predict(options: Namespace) -> None:
    """The rows with their predictions: columns prediction, lower, upper; of classes more."""
    model = load_model(options.model)
    table = read_rows(options, model)
    if options.unseen:
        model.set_params(unseen=options.unseen)
    X = columns_of_fit(table, model, options)
    predicted = outcome_columns(model, X, options.coverage, options.kind)
    if taken := [name for name in predicted if name in table]:
        raise ValueError(
            f"{options.data} has columns called {', '.join(taken)}, as the predictions are: "
            "rename or remove them."
        )
    _write(_carried(table, X, options).assign(**predicted), options)


def curve(options: Namespace) -> None:
    """Response curves along one predictor."""
    model = load_model(options.model)
    X, derived = None, {term.predictor for term in options.derive}
    if options.data is not None:
        X = columns_of_fit(read_rows(options, model), model, options, derived)
        if derived:
            X = X.assign(**dict.fromkeys(sorted(derived), 0.0))[list(model.feature_names_in_)]
    curves = model.response_curve(
        X,
        options.feature,
        grid=None if options.grid is None else _grid(*options.grid),
        coverage=options.coverage,
        kind=kind_of_interval(model, options.kind),
        slope=options.slope,
        derive=derive(options.derive, options.feature),
        population=options.population,
    )
    _write(curves, options)


def summary(options: Namespace) -> None:
    """One of the model's tables, on the screen or in a file."""
    model = load_model(options.model)
    if options.factor and options.of not in ("group_effects", "shrinkage_factors"):
        raise ValueError(f"--factor: {options.of} is not by grouping factor.")
    arguments: dict[str, Any] = {"factor": options.factor} if options.factor else {}
    if (options.data is None) == (options.of in TABLES_OF_ROWS):
        raise ValueError(
            f"--data: {options.of} is of rows: name a file of them."
            if options.data is None
            else f"--data: {options.of} needs no rows."
        )
    if options.data is not None:
        arguments["X"] = columns_of_fit(read_rows(options, model), model, options)
    table: pd.DataFrame = getattr(model, options.of)(**arguments)
    if "level" in table:
        table = table.assign(level=paths(table["level"].tolist()))
    where = where_in_words(model._spec.labels, model._posterior.family)
    _write(table, options, ["", where, *_notes(model)])


def diagnose(options: Namespace) -> int:
    """Every check of the model, what to do about it; the exit code tells the verdict."""
    model: HierarchicalModel = load(options.model)
    verdict: str = model.diagnostics_.verdict
    checks = model.diagnose()[["check", "verdict", "value", "threshold"]]
    passed = [check.advice for check in model.diagnostics_.checks if check.verdict == "pass"]
    said = [*map(told, model.diagnostics_.messages), *_notes(model), *filter(None, passed)]
    say("\n".join([_as_text(checks), "", *said, f"verdict: {verdict}"]))
    return EXIT[verdict]


def report(options: Namespace) -> None:
    """The model's report as one HTML file."""
    if (options.data is None) != (options.target is None):
        raise ValueError("--data and --target go together: rows and the column of their outcome.")
    if options.data is None and options.sample_weight is not None:
        raise ValueError("--sample-weight is a column of --data: give this, too, and --target.")
    _check_not_shown(options, "a report")
    model = load_model(options.model)
    for name in options.features or ():
        check_name(name, _predictors_of(model), "--features")
    given = () if options.data is None else vars(read_observed(options, model)).values()
    write = partial(model.report, title=options.title, features=options.features)
    if options.output != STANDARD:
        write(options.output, *given)
        complain(f"the report is in {options.output}")
        return
    with TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        write(page, *given)
        sys.stdout.write(page.read_text(encoding="utf-8"))


def _predictors_of(model: HierarchicalModel) -> list[str]:
    """What the predictors of a model are called."""
    spec = model._spec
    return [spec.columns.predictor_name(position) for position in spec.predictor_positions]


def score(options: Namespace) -> None:
    """How well rows are predicted, all of them and those of known and of new levels."""
    model = load_model(options.model)
    given = read_observed(options, model)
    _write(scores_of(model, given.X, given.y, given.weight, options.coverage), options)


def compare(options: Namespace) -> None:
    """Cross-validated scores of the pooled, the unpooled and the hierarchical model."""
    with progress_of("skhlm compare", _shows_progress(options)) as progress:
        with progress.part(_READING, "reading"):
            given = read_training(options)
        if options.split_by is not None:
            check_name(options.split_by, names_of(given.X), "--split-by")
        for name in options.group_means or ():
            check_name(name, names_of(given.X), "--group-means")
        with progress.part(1.0):
            scores = cross_validate(
                given.X,
                given.y,
                cv=options.folds,
                model=given.model,
                split_by=options.split_by,
                sample_weight=given.weight,
                coverage=options.coverage,
                random_state=getattr(options, "random_state", None),
                group_means=options.group_means,
            )
    if options.output is None:
        found = scores[scores["n"] > 0].drop(columns="fold")
        scores = found.groupby(["model", "rows"], sort=False).mean().drop(columns="n").reset_index()
    _write(scores, options, [f"Means over {options.folds} folds."])


def allocate(options: Namespace) -> None:
    """How a total is best spread over rows, or groups of them, and what that brings."""
    model = load_model(options.model)
    table = read_rows(options, model, options.feature)
    check_name(options.feature, names_of(table), "--feature")
    X = _amounts(table, model, options)
    bounds = (options.low, options.high)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = optimize_allocation(
            model,
            X,
            options.feature,
            options.total,
            by=options.by,
            bounds=None if bounds == (None, None) else bounds,
            objective=options.objective,
            coverage=options.coverage,
            derive=_made_of(options, X, model),
        )
    _write(found.units, options, [])
    tell = say if options.output is None else complain
    tell(_gain(found))


def demo(options: Namespace) -> None:
    """The tour."""
    from skhlm.demo.__main__ import main as tour

    arguments, sys.argv = sys.argv, ["skhlm demo", options.output]
    try:
        tour()
    finally:
        sys.argv = arguments


def _check_not_shown(options: Namespace, what: str) -> None:
    """Raise where a file would be sent to a terminal."""
    if options.output == STANDARD and is_terminal(sys.stdout):
        raise ValueError(
            f"-o -: {what} is nothing for a terminal. Name a file, or send it on: > FILE."
        )


def _shows_progress(options: Namespace) -> int:
    """Whether progress is shown: as asked for, or else where somebody looks."""
    return int(getattr(options, "verbose", is_terminal(sys.stderr)))


def _save(model: HierarchicalModel, path: str) -> None:
    """Write a model to a file or, for ``-``, to the standard output."""
    if path != STANDARD:
        save(model, path)
        return
    content = BytesIO()
    save(model, content)
    sys.stdout.buffer.write(content.getbuffer())


def _is_printed(path: str) -> bool:
    """Whether an output takes the standard output, or may."""
    return path == STANDARD or is_stream(Path(path))


def _what_became(model: HierarchicalModel, given: Training, file: str) -> list[str]:
    """A fit in a line, and in another one which checks found something."""
    verdict, n = model.diagnostics_.verdict, len(model.groups_)
    place = "standard output" if file == STANDARD else file
    told = f"{n} grouping factor{'s' * (n != 1)}; predictors {_predictors(model, given)}"
    lines = [f"{given.n_rows} rows, {told}; verdict: {verdict}; saved to {place}"]
    if found := [f"{c.name} ({c.verdict})" for c in model.diagnostics_.checks if c.advice]:
        lines.append(f"found: {', '.join(found)}; what it means: skhlm diagnose {file}")
    return lines + [f"poor predictions: {text}" for text in worse_than_constant(model)]


def _predictors(model: HierarchicalModel, given: Training) -> str:
    """The names of the columns that were taken for predictors, which few options name."""
    return listed(given.columns[j] for j in model._spec.predictor_positions) or "none"


def _carried(table: pd.DataFrame, X: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """A table, columns that the model does not know as numbers where they read so."""
    others = {name: table[name] for name in names_of(table) if name not in {*X, *options.text}}
    return table.assign(**{name: as_numbers(fields) for name, fields in others.items()})


def _amounts(table: pd.DataFrame, model: HierarchicalModel, options: Namespace) -> pd.DataFrame:
    """Rows to spend on: columns of the model, what is spent, and which rows go together."""
    for name in options.by or ():
        check_name(name, names_of(table), "--by")
    made = {term.predictor for term in options.derive}
    X = columns_of_fit(table, model, options, made)
    check_numbers(table[options.feature], "--feature: ", least=0)
    others = [name for name in (options.feature, *(options.by or ())) if name not in X]
    return X.assign(**{name: table[name] for name in others})


def _made_of(options: Namespace, X: pd.DataFrame, model: HierarchicalModel) -> Any:
    """How predictors follow from amounts; where X has columns that the model lacks, it is asked."""
    known = model._spec.columns.names
    if not options.derive and known is not None and {*X} > {*known}:
        return lambda values: {options.feature: values}
    return derive(options.derive, options.feature)


def _write(table: pd.DataFrame, options: Namespace, told: Sequence[str] = ()) -> None:
    """A table to where the options say; on the screen with lines that tell of it."""
    if options.output is not None:
        write_table(table, options.output, escape=options.escape)
        return
    say("\n".join([_as_text(table), *told]))


def _as_text(table: pd.DataFrame) -> str:
    """A table for the screen."""
    return table.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.4g}")


def _notes(model: HierarchicalModel) -> list[str]:
    """What the checks note, a line each."""
    return [f"Note: {told(note)}" for note in model.diagnostics_.notes]


def _gain(found: Allocation) -> str:
    """What an allocation brings, in a line."""
    gain, lower, upper = map(significant, (found.gain, found.lower, found.upper))
    return (
        f"{significant(found.total, 6)} of {found.feature}, spread so, brings {gain} more "
        f"({found.coverage:.0%} interval {lower} to {upper}; above zero with probability "
        f"{found.probability:.3f})."
    )


def _grid(start: float, stop: float, points: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Evenly spaced values."""
    if points != int(points) or points < 2:
        raise ValueError(f"--grid: the number of points must be a whole number > 1, got {points}.")
    return np.linspace(start, stop, int(points))
