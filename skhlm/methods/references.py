"""What predictions are held against: the means of fit, some values, a row, or a row for each."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as repr_short
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.frames import as_table, columns_of
from skhlm.inputs.moved import numbers_in, possible_values, values_in
from skhlm.methods.made_of import Inputs, all_names
from skhlm.posterior import NO_EFFECT
from skhlm.posterior.posterior import without_new
from skhlm.preparation import ModelSpec

_ROUNDING = 1e-12  # of a predictor's sd, by which two means of it may differ


def read_reference(inputs: Inputs, reference: Any, n: int) -> tuple[Floats, Ints]:
    """Predictors (n, p) and levels (n, G) of what n rows are held against; `NO_EFFECT` is none."""
    spec = inputs.route.model._spec
    if reference is None:
        reference = {}
    if isinstance(reference, pd.Series):
        reference = dict(reference)
    if isinstance(reference, Mapping):
        base = np.tile(_means_of_fit(spec), (n, 1))
        levels = np.full((n, len(spec.groups.factors)), NO_EFFECT)
        return _with_values(inputs, reference, base, levels) if reference else (base, levels)
    predictors, codes = _read_table(inputs, reference, n)
    every = np.arange(n) % len(predictors)
    return predictors[every], without_new(codes[every])


def _means_of_fit(spec: ModelSpec) -> Floats:
    """Training means (p,): where predictors are centred there, to the last bit."""
    mean, center = spec.ranges.mean.copy(), spec.units.x_center
    own = mean[: len(center)]
    near = np.abs(own - center) <= _ROUNDING * spec.units.x_scale
    own[near] = center[near]
    return mean


def _read_table(inputs: Inputs, reference: Any, n: int) -> tuple[Floats, Ints]:
    """Predictors and levels of a row, or of n rows; what is wrong is said of the reference."""
    if not hasattr(reference, "columns") and np.ndim(reference) != 2:
        raise TypeError(
            "reference: give a mapping of some columns to values, such as {'spend': 0}, a series "
            f"that is a row, or a table of one row or {n}; got {repr_short(reference)}."
        )
    n_rows = len(reference)
    if n_rows not in (1, n):
        raise ValueError(
            f"reference has {n_rows} rows and X has {n}: give one row of reference, or one for "
            "each row of X, or a mapping of some columns to values."
        )
    try:
        return inputs.read(as_table(reference))
    except (TypeError, ValueError) as error:
        raise type(error)(f"reference, which needs the columns of X: {error}") from error


def _with_values(
    inputs: Inputs, reference: Mapping[Any, Any], base: Floats, levels: Ints
) -> tuple[Floats, Ints]:
    """Means of fit, and no levels, but for what some columns of X have as values."""
    columns = columns_of(inputs.X)
    given = {columns.position(key, "reference"): value for key, value in reference.items()}
    for position, value in given.items():
        _check_value(inputs, position, value)
    predictors, codes = inputs.read_with(given)
    names = all_names(inputs.route.model._spec)
    for k, (name, made_of) in enumerate(zip(names, inputs.made_of, strict=True)):
        if not made_of & given.keys():
            continue
        if missing := sorted(made_of - given.keys()):
            raise ValueError(
                f"reference: {name!r} is made of {listed(map(columns.predictor_name, missing))}, "
                "too: give a value of all that it is made of, or a row."
            )
        base[:, k] = predictors[:, k]
    factors = inputs.route.model._spec.groups.factors
    for g, factor in enumerate(factors):
        *above, own = (inputs.groups.get(j, -1) for j in factor.columns)  # -1: not in X
        if own not in given:
            continue
        if missing := [position for position in above if position not in given]:
            raise ValueError(
                f"reference: {columns.group_name(own)!r} is within "
                f"{listed(map(columns.group_name, missing))}: give that, too."
            )
        levels[:, g] = without_new(codes[:, g])
    return base, levels


def _check_value(inputs: Inputs, position: int, value: Any) -> None:
    """Raise for a value that its column cannot have."""
    name = columns_of(inputs.X).group_name(position)
    if pd.api.types.is_list_like(value):
        raise ValueError(
            f"reference: {name!r} must be one value, got {repr_short(value)}. For a value in each "
            "row give a table with as many rows as X."
        )
    if pd.isna(value):
        if position in inputs.groups.values():
            return
        raise ValueError(f"reference: {name!r} must be a value, got {value!r}.")
    _check_kind(inputs, position, value, name)
    possible = possible_values(inputs.X, position)
    if possible is not None and value not in possible:
        raise ValueError(
            f"reference: {value!r} is no category of {name!r}. Its categories are "
            f"{listed(possible)}.{suggestion(value, possible)}"
        )


def _check_kind(inputs: Inputs, position: int, value: Any, name: str) -> None:
    """Raise for what is no number where the column has numbers, and of labels the other way."""
    numbers = numbers_in(inputs.X, position)
    is_number = np.asarray(value).dtype.kind in "biuf"
    if position in inputs.groups.values():
        plain = value.item() if isinstance(value, np.generic) else value
        example = next(iter(values_in(inputs.X, position)), None)
        if (numbers is None) == is_number and type(example) is not type(value):
            raise ValueError(
                f"reference: {name!r} has labels such as {example!r}, and {plain!r} is of another "
                "type, so that none can match. Give one of their type."
            )
    elif numbers is not None and not (is_number and np.isfinite(float(value))):
        seen = numbers[np.isfinite(numbers)]
        example = f", such as {np.median(seen):.4g}" if seen.size else ""
        raise ValueError(
            f"reference: {name!r} has numbers, and {repr_short(value)} is no finite one. Give a "
            f"number{example}."
        )
