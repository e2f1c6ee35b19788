"""Frames of Dask: rows on a cluster, gathered where they are; predictions that are lazy arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from operator import itemgetter
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from skhlm.condensing.condensed import (
    Condensed,
    Gathered,
    check_family,
    gather,
    join_all,
)

_FAN_IN = 8  # how many parts are joined at a time
_Method = TypeVar("_Method", bound=Callable[..., Any])


def is_dask(given: Any) -> bool:
    """Whether rows are Dask's, not here yet."""
    return hasattr(given, "__dask_graph__") and hasattr(given, "divisions")


def condense_dask(model: Any, X: Any, y: Any, sample_weight: Any) -> Condensed:
    """Few rows with the likelihood of all rows of Dask's frames.

    Each partition is gathered by itself, where the scheduler has it; a partition that is lost with
    its worker is gathered again.
    """
    dask = import_module("dask")

    check_family(model)
    parts = _parts(X, y, sample_weight)
    gathered = [dask.delayed(_gather)(dask.delayed(model), *part) for part in parts]
    while len(gathered) > 1:
        groups = (gathered[i : i + _FAN_IN] for i in range(0, len(gathered), _FAN_IN))
        gathered = [dask.delayed(join_all)(group) for group in groups]
    (found,) = dask.compute(gathered[0])
    if found is None:
        raise ValueError("X has no rows.")
    return Condensed.of(found, getattr(y, "name", None))


def lazily(method: _Method) -> _Method:
    """A method of a fitted model that of rows of a Dask frame gives lazy Dask arrays."""

    @wraps(method)
    def wrapper(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_dask(X) or not hasattr(self, "_spec"):
            return method(self, X, *args, **kwargs)
        return _lazy(self, method.__name__, X, args, kwargs)

    return cast("_Method", wrapper)


def _lazy(model: Any, name: str, X: Any, args: Any, kwargs: Any) -> Any:
    """What a method says of the rows of Dask's frame, a partition at a time: an array, or some."""
    dask = import_module("dask")

    spec = model._spec
    row = spec.as_given(spec.ranges.mean[None], np.zeros((1, len(spec.groups.names)), np.int64))
    example = getattr(model, name)(row, *args, **kwargs)
    shared = dask.delayed(model)
    parts = [
        dask.delayed(_predicted)(shared, name, part, args, kwargs, example)
        for part in X.to_delayed()
    ]
    if not isinstance(example, tuple):
        return _array(parts, example)
    several = [[dask.delayed(itemgetter(i))(part) for part in parts] for i in range(len(example))]
    return tuple(_array(*one) for one in zip(several, example, strict=True))


def _array(parts: list[Any], example: Any) -> Any:
    """One lazy array of all parts, whose lengths are not known."""
    da = import_module("dask.array")

    shape = (np.nan, *example.shape[1:])
    return da.concatenate([da.from_delayed(part, shape, example.dtype) for part in parts])


def _predicted(model: Any, name: str, X: pd.DataFrame, args: Any, kwargs: Any, example: Any) -> Any:
    """What a method says of a partition; nothing of one without rows."""
    if len(X):
        return getattr(model, name)(X, *args, **kwargs)
    return tuple(one[:0] for one in example) if isinstance(example, tuple) else example[:0]


def _parts(X: Any, y: Any, sample_weight: Any) -> list[tuple[Any, ...]]:
    """X, y and weights, a partition at a time."""
    others = {"y": y, "sample_weight": sample_weight}
    columns = []
    for name, other in others.items():
        if name == "sample_weight" and other is None:
            columns.append([None] * X.npartitions)
            continue
        if not is_dask(other):
            raise TypeError(
                f"{name}: X is a Dask frame, and {name} a {type(other).__name__}. Give a column of "
                "the same Dask frame, or a Dask series with the same partitions."
            )
        if other.npartitions != X.npartitions:
            raise ValueError(
                f"{name} has {other.npartitions} partitions and X {X.npartitions}: rows cannot be "
                "paired. Take both from one Dask frame."
            )
        columns.append(list(other.to_delayed()))
    return list(zip(X.to_delayed(), *columns, strict=True))


def _gather(model: Any, X: pd.DataFrame, y: Any, sample_weight: Any) -> Gathered | None:
    """What is needed of a partition; None of one without rows."""
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is not None and len(other) != len(X):
            raise ValueError(
                f"{name} has {len(other)} rows in a partition where X has {len(X)}: take both from "
                "one Dask frame."
            )
    return gather(model, X, y, sample_weight)
