"""From a table and options to what is fitted: which columns are what, and which estimator."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from skhlm.cli.fields import check_numbers, first_word, holds_numbers
from skhlm.cli.outcomes import choose_estimator
from skhlm.cli.prior_terms import combine_priors
from skhlm.cli.reading import read, weight_of
from skhlm.cli.tables import check_name, column, is_data_set, names_of
from skhlm.condensing.condensed import blocks_of, condense
from skhlm.condensing.fitting import parquet_frames
from skhlm.estimator import HierarchicalModel
from skhlm.inputs.columns import listed


@dataclass(frozen=True)
class Training:
    """A model that is not fitted yet, and the rows for it, how often each counts among them."""

    model: HierarchicalModel
    X: Any
    y: Any
    weight: Any
    n_rows: int
    columns: Sequence[str]


def read_training(options: Namespace) -> Training:
    """What the options of `fit` and `compare` ask for."""
    if is_data_set(options.data):
        raise ValueError(
            f"{options.data} is a directory. A data set of many files is for skhlm fit; a "
            "comparison needs one table."
        )
    table = read(options, lambda table: _text_of_fit(table, options), _named(options))
    y = column(table, options.target, "--target")
    weight = weight_of(table, options)
    X = table.drop(columns=[c for c in (options.target, options.sample_weight) if c])
    estimator = choose_estimator(y, options)
    model = estimator(options.groups, **_parameters(options, estimator))
    X = X[_used_columns(X, options)]
    return Training(model, X, y, weight, len(X), names_of(X))


def gather_training(options: Namespace) -> Training:
    """The same of a directory of Parquet files, whose rows are put together to few as they come."""
    first = next(parquet_frames(options.data), None)
    if first is None:
        raise ValueError(f"{options.data} has no rows.")
    apart = [c for c in (options.target, options.sample_weight) if c]
    estimator = choose_estimator(column(first, options.target, "--target"), options)
    weight_of(first, options)
    model = estimator(options.groups, **_parameters(options, estimator))
    columns, n_rows = _used_columns(first.drop(columns=apart), options), 0

    def frames() -> Iterator[pd.DataFrame]:
        nonlocal n_rows
        for frame in parquet_frames(options.data, [*columns, *apart]):
            n_rows += len(frame)
            yield frame

    blocks = blocks_of(frames(), options.target, options.sample_weight)
    few = condense(model, blocks)
    return Training(model, few, None, None, n_rows, columns)


def _parameters(options: Namespace, estimator: type[HierarchicalModel]) -> dict[str, Any]:
    """Parameters of the estimator that were given as options."""
    names = set(inspect.signature(estimator).parameters) - {"groups"}
    given = {name: value for name, value in vars(options).items() if name in names}
    if "varying" in given:
        given["varying"] = _varying(given["varying"])
    terms, prior_set = given.get("priors", ()), getattr(options, "prior_set", None)
    if terms or prior_set:
        given["priors"] = combine_priors(terms, prior_set)
    return given


def _varying(words: list[str]) -> Any:
    """What varies: one word for all, names of coefficients, or either by grouping factor."""
    if words in (["all"], ["intercept"]):
        return words[0]
    if not all("=" in word for word in words):
        return words
    terms = (word.partition("=") for word in words)
    return {factor: _varying(names.split(",")) for factor, _, names in terms}


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
    return {part for path in options.groups or () for part in _parts(names, path, options.target)}


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
            f"{listed(wrong)} cannot be read as numbers: {wrong[0]!r} {first_word(X[wrong[0]])}. "
            "Name the predictors, without "
            f"{'it' if len(wrong) == 1 else 'them'}: --predictors COLUMN ...; or, if rows of one "
            f"value belong together, say --groups {wrong[0]}."
        )
    for name in chosen:
        if name not in grouped and name != exposure:
            check_numbers(X[name])
    return [name for name in X.columns if name in grouped or name in chosen]


def _parts(names: Sequence[str], path: str, target: str) -> list[str]:
    """The group columns of a hierarchy."""
    parts = [path] if path in names else path.split("/")
    for part in parts:
        if part == target:
            raise ValueError(f"--groups: {target!r} is the target, and no group column.")
        check_name(part, names, "--groups")
    return parts


def _exposure(options: Namespace) -> str | None:
    """The column to which the expected outcome is proportional."""
    return getattr(options, "exposure", None)
