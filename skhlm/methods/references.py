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
from skhlm.inputs.moved import possible_values
from skhlm.methods.made_of import Inputs, all_names
from skhlm.posterior import NO_EFFECT
from skhlm.posterior.posterior import without_new


def read_reference(inputs: Inputs, reference: Any, n: int) -> tuple[Floats, Ints]:
    """Predictors (n, p) and levels (n, G) of what n rows are held against; `NO_EFFECT` is none."""
    spec = inputs.route.model._spec
    if reference is None:
        reference = {}
    if isinstance(reference, pd.Series):
        reference = dict(reference)
    if isinstance(reference, Mapping):
        base = np.tile(spec.ranges.mean, (n, 1))
        levels = np.full((n, len(spec.groups.factors)), NO_EFFECT)
        return _with_values(inputs, reference, base, levels) if reference else (base, levels)
    predictors, codes = inputs.read(as_table(reference))
    if len(predictors) not in (1, n):
        raise ValueError(
            f"reference has {len(predictors)} rows and X has {n}: give one row of reference, or "
            "one for each row of X, or a mapping of some columns to values."
        )
    every = np.arange(n) % len(predictors)
    return predictors[every], without_new(codes[every])


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
    possible = possible_values(inputs.X, position)
    if possible is not None and value not in possible:
        raise ValueError(
            f"reference: {value!r} is no category of {name!r}. Its categories are "
            f"{listed(possible)}.{suggestion(value, possible)}"
        )
