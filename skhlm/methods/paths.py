"""What curves and comparisons are asked for: where an input goes, and the rows that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.columns import GroupColumn, listed
from skhlm.inputs.hierarchy import Groups
from skhlm.methods.fitted import Fitted
from skhlm.posterior import NEW, NO_EFFECT
from skhlm.preparation import ModelSpec
from skhlm.reports import curves


class Given(NamedTuple):
    """Rows to look at: predictors (n, p), codes (n, G), and values of the group columns."""

    predictors: Floats
    codes: Ints
    values: Mapping[str, Sequence[object]]
    columns: Mapping[int, GroupColumn]


def find_path(
    spec: ModelSpec, feature: Any, grid: Any, derive: curves.Derive | None
) -> tuple[str, curves.Path]:
    """Name of the input and the path it takes."""
    predictors = predictor_names(spec)
    if derive is not None and feature not in predictors:
        if grid is None:
            raise ValueError(
                f"grid: {feature!r} is not a predictor of the model, so its training range is "
                "not known. Give the values it should take."
            )
        points = curves.check_grid(grid)
        return str(feature), curves.derived_path(points, derive, predictors, spec.ranges)
    column = _predictor(spec, feature)
    if grid is None:
        low, high = spec.ranges.low[column], spec.ranges.high[column]
        grid = np.linspace(low, high, curves.N_POINTS)
    points = curves.check_grid(grid)
    if derive is not None:
        path = curves.derived_path(points, derive, predictors, spec.ranges)
        return predictors[column], path
    return predictors[column], curves.straight_path(points, column)


def completed(spec: ModelSpec, X: Any, name: str, path: curves.Path) -> Any:
    """A frame without predictors that the path moves, perhaps with its input, as at fit.

    It may lack the exposure, too, which is then the mean of fit.
    """
    known = spec.columns.names
    if known is None or not isinstance(X, pd.DataFrame):
        return X
    values = {predictor_names(spec)[column]: 0.0 for column in path.columns}
    if spec.exposure is not None:
        values[known[spec.exposure]] = float(np.exp(spec.ranges.mean[-1]))
    missing = {column: value for column, value in values.items() if column not in X}
    if not missing and (name in known or name not in X):
        return X
    kept = X.copy() if name in known else X.drop(columns=name, errors="ignore")
    for column, value in missing.items():
        kept[column] = value
    return kept[[column for column in known if column in kept]]


def read_given(model: Fitted, X: Any) -> Given:
    """Rows of X, or one for each combination of levels seen at the predictors' means."""
    if X is None:
        check_is_fitted(model)
        spec = model._spec
        predictors = np.tile(spec.ranges.mean, (len(spec.combinations), 1))
        values = spec.labels.values(spec.combinations)
        return Given(predictors, spec.combinations, values, {})
    predictors, codes, columns = model._rows(X)
    return Given(predictors, codes, values_of(columns), columns)


def read_population(model: Fitted, X: Any) -> Given:
    """The same without group effects, which their values do not matter to: one row for no X."""
    check_is_fitted(model)
    if X is None:
        n_factors = len(model._spec.labels.factors)
        return Given(model._spec.ranges.mean[None], no_effects((1, n_factors)), {}, {})
    predictors, codes, _ = model._rows(X)
    return Given(predictors, no_effects(codes.shape), {}, {})


def no_effects(shape: tuple[int, ...]) -> Ints:
    """Codes (n, G) that leave all factors out."""
    return np.full(shape, NO_EFFECT, dtype=np.int64)


def read_pairs(model: Fitted, X: Any, reference: Any) -> tuple[Given, Given]:
    """Rows of X and of the reference, as many of each."""
    given, other = read_given(model, X), read_given(model, reference)
    n = len(given.predictors)
    if len(other.predictors) not in (1, n):
        raise ValueError(
            f"reference has {len(other.predictors)} rows and X has {n}: give one row of "
            "reference, or one for each row of X."
        )
    every = np.arange(n) % len(other.predictors)
    columns = {j: replace(c, codes=c.codes[every]) for j, c in other.columns.items()}
    return given, Given(other.predictors[every], other.codes[every], values_of(columns), columns)


def are_apart(groups: Groups, given: Given, other: Given) -> Bools:
    """Whether rows have different new levels of a factor, (n, G)."""
    apart: Bools = (given.codes == NEW) & (other.codes == NEW)
    for g in np.flatnonzero(apart.any(axis=0)):
        same = np.ones(len(apart), dtype=np.bool_)
        for j in groups.factors[g].columns:
            ours, theirs = _objects(given.columns[j]), _objects(other.columns[j])
            same &= (ours == theirs) & (given.columns[j].codes >= 0)
        apart[:, g] &= ~same
    return apart


def check_no_name(X: Any) -> None:
    """Raise where a feature was given in the place of rows."""
    if isinstance(X, str):
        raise TypeError(
            f"X must hold rows, got {X!r}. Rows come first: if that is the feature, name the "
            f"argument, feature={X!r}."
        )


def values_of(columns: Mapping[int, GroupColumn]) -> dict[str, list[object]]:
    """Values of group columns as they were given; None where missing."""
    return {column.name: _objects(column).tolist() for column in columns.values()}


def predictor_names(spec: ModelSpec) -> list[str]:
    """Names of the predictors, in the order of X."""
    return [spec.columns.predictor_name(position) for position in spec.predictor_positions]


def _predictor(spec: ModelSpec, feature: Any) -> int:
    """Which of the predictors a feature is."""
    names = predictor_names(spec)
    if feature is None and len(names) == 1:
        return 0
    if feature is None:
        raise ValueError(f"feature: name one of the predictors {listed(names)}.")
    positions = spec.predictor_positions
    position = spec.columns.position(feature, "feature")
    if position == spec.exposure:
        raise ValueError(
            f"feature: {feature!r} is the exposure, to which the expected outcome is proportional: "
            f"there is no curve to learn. The predictors are {listed(names)}."
        )
    if position not in positions:
        raise ValueError(
            f"feature: {feature!r} is a group column, not a predictor, so there is nothing to "
            f"move. The predictors are {listed(names)}."
        )
    return positions.index(position)


def _objects(column: GroupColumn) -> Any:
    """Values of a group column, (n,), of any type; None where missing."""
    table = np.empty(len(column.values) + 1, dtype=object)
    table[:] = [*column.values, None]
    return table[column.codes]
