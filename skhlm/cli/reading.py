"""Models and rows as files, read for each other: what a column of CSV is, the model says."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from skhlm.classifier import HLMClassifier
from skhlm.cli.console import warn
from skhlm.cli.fields import as_labels, check_numbers
from skhlm.cli.tables import check_name, column, is_parquet, names_of, read_table, without_index
from skhlm.estimator import HierarchicalModel
from skhlm.files.persistence import load
from skhlm.inputs.columns import Label


def load_model(file: str) -> HierarchicalModel:
    """The model in a file; one whose verdict is "fail" is not used without a word."""
    model: HierarchicalModel = load(file)
    if model.diagnostics_.verdict == "fail":
        warn(
            f'the verdict on {file} is "fail": do not rely on what follows. What to do: '
            f"skhlm diagnose {file}"
        )
    return model


def read(
    options: Namespace, text: Callable[[pd.DataFrame], Iterable[str]], named: Collection[str]
) -> pd.DataFrame:
    """The table that the options name; ``named`` are columns that are asked for by name."""
    if options.text and is_parquet(options.data):
        raise ValueError(f"--text: {options.data} has types of its own; --text is for CSV.")

    def all_text(table: pd.DataFrame) -> set[str]:
        for name in options.text:
            check_name(name, names_of(table), "--text")
        return {*text(table), *options.text}

    table = read_table(options.data, options.sep, options.decimal, all_text, options.encoding)
    return without_index(table, named, options.data)


def read_rows(options: Namespace, model: HierarchicalModel, *numbers: str) -> pd.DataFrame:
    """Rows for a model, whose predictors alone, and some other columns, can be numbers in CSV."""
    known = model._spec.columns.names or ()

    def text(table: pd.DataFrame) -> set[str]:
        names = names_of(table)
        grouped = _labels_by_name(model, names)
        predictors = {name for name in known or names if name not in grouped}
        return {*names} - predictors - {*numbers}

    return read(options, text, known)


def _labels_by_name(model: HierarchicalModel, names: Sequence[str]) -> dict[str, tuple[Label, ...]]:
    """What a model has seen in each group column; its columns are called as at fit, if at all."""
    columns = model._spec.columns.names or names
    labels = model._spec.groups.labels
    return {columns[j]: values for j, values in labels.items() if j < len(columns)}


def weight_of(table: pd.DataFrame, options: Namespace) -> Any:
    """How often each row counts, (n,); None if no column says so."""
    name = options.sample_weight
    if name is None:
        return None
    weight = column(table, name, "--sample-weight")
    check_numbers(weight, "--sample-weight: ", least=0)
    return weight.to_numpy()


@dataclass(frozen=True)
class Observed:
    """Rows for a model with what was observed in them, and how often each counts."""

    X: pd.DataFrame
    y: pd.Series[Any]
    weight: Any


def read_observed(options: Namespace, model: HierarchicalModel) -> Observed:
    """Rows with the outcome in the column of ``--target``."""
    has_classes = isinstance(model, HLMClassifier)
    numbers = {*[options.target] * (not has_classes), options.sample_weight} - {None}
    table = read_rows(options, model, *numbers)
    X, y = columns_of_fit(table, model, options), column(table, options.target, "--target")
    if not has_classes:
        check_numbers(y, "--target: ")
    return Observed(X, outcome_of(y, model, options), weight_of(table, options))


def outcome_of(y: pd.Series[Any], model: HierarchicalModel, options: Namespace) -> pd.Series[Any]:
    """An outcome of CSV as the classes of a classifier are; numbers as they are."""
    if not isinstance(model, HLMClassifier) or is_parquet(options.data):
        return y
    return as_labels(y, model._classes.plain, options.decimal).infer_objects()


def columns_of_fit(
    table: pd.DataFrame,
    model: HierarchicalModel,
    options: Namespace,
    without: Collection[str] = (),
) -> pd.DataFrame:
    """The columns of fit in their order, but for some, from a table that may have others too.

    Where types are not told, group columns are as the model knows them.
    """
    names = [name for name in model._spec.columns.names or names_of(table) if name not in without]
    for name in names:
        column(table, name, "the model needs a column that the table lacks")
    X = table[list(names)]
    labels = _labels_by_name(model, names)
    for name in names:
        if name not in labels:
            check_numbers(X[name])
    if is_parquet(options.data):
        return X
    known = {c: v for c, v in labels.items() if c not in options.text}
    return X.assign(**{c: as_labels(X[c], v, options.decimal) for c, v in known.items()})
