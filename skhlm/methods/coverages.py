"""Several coverages in one call: intervals side by side, named by what they cover."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import pandas as pd

from skhlm._typing import Floats
from skhlm.inputs.columns import as_list
from skhlm.numerics.quantiles import central

Coverage: TypeAlias = Any  # a float in (0, 1), or several of them
_Function = TypeVar("_Function", bound=Callable[..., pd.DataFrame])

_OF = ("complete_pooling", "partial_pooling", "no_pooling", "slope", "odds_ratio", "rate_ratio")
_LOWER = ("lower", *(f"{name}_lower" for name in _OF))


def check_coverages(coverage: Any) -> list[float]:
    """One coverage or several, all of them different and between 0 and 1."""
    given = as_list(coverage)
    several = [coverage] if given is None else given
    try:
        found = [float(one) for one in several]
    except (TypeError, ValueError):
        found = []
    if not found or not all(0 < one < 1 for one in found) or len(set(found)) < len(found):
        raise ValueError(
            "coverage must be a number between 0 and 1, or a list of different ones, such as "
            f"(0.5, 0.9), got {coverage!r}."
        )
    return found


def intervals_of(coverage: Any, quantiles: Callable[[Sequence[float]], Floats]) -> Floats:
    """Intervals (n, 2), of m coverages (n, m, 2), by a function from probabilities to quantiles."""
    ends = [end for one in check_coverages(coverage) for end in central(one)]
    found = quantiles(ends)
    return found if as_list(coverage) is None else found.reshape(len(found), -1, 2)


def named_ends(coverage: Any, intervals: Floats) -> dict[str, Floats]:
    """Columns of what `intervals_of` returns: lower and upper, or lower_50 and so on."""
    if as_list(coverage) is None:
        return dict(zip(("lower", "upper"), intervals.T, strict=True))
    return {
        f"{side}{suffix(one)}": ends
        for one, pair in zip(check_coverages(coverage), np.moveaxis(intervals, 1, 0), strict=True)
        for side, ends in zip(("lower", "upper"), pair.T, strict=True)
    }


def suffix(coverage: float) -> str:
    """Of names of columns: 0.9 is "_90"."""
    return f"_{100 * coverage:.10g}"


def several_coverages(function: _Function) -> _Function:
    """Let a function, whose frame has ends of intervals, take several coverages.

    Of several each pair of columns stands once for each: ``lower_50``, ``upper_50``, ``lower_90``,
    ``upper_90`` in the place of ``lower`` and ``upper``. What warns warns once.
    """
    parameters = signature(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> pd.DataFrame:
        try:
            given = parameters.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # which says it better
        if as_list(given.get("coverage")) is None:
            return function(*args, **kwargs)
        coverages = check_coverages(given["coverage"])
        frames: list[pd.DataFrame] = []
        for coverage in coverages:
            bound = parameters.bind(*args, **kwargs)
            bound.arguments["coverage"] = coverage
            with warnings.catch_warnings():
                if frames:
                    warnings.simplefilter("ignore")
                frames.append(function(*bound.args, **bound.kwargs))
        return _side_by_side(frames, [suffix(coverage) for coverage in coverages])

    return cast(_Function, call)


def _side_by_side(frames: Sequence[pd.DataFrame], suffixes: Sequence[str]) -> pd.DataFrame:
    """One frame of several that differ in their intervals alone.

    Columns of the user stand before the first of these, whatever they are called.
    """
    names = frames[0].columns.tolist()
    first = names.index("lower") if "lower" in names else names.index(_LOWER[1])
    columns: dict[Any, Any] = {}
    for i, name in enumerate(names):
        if i >= first and name in _LOWER:
            upper = f"{name.removesuffix('lower')}upper"
            for frame, end in zip(frames, suffixes, strict=True):
                columns |= {f"{side}{end}": frame[side] for side in (name, upper)}
        elif not (i >= first and name.endswith("upper") and f"{name[:-5]}lower" in _LOWER):
            columns[name] = frames[0][name]
    return pd.DataFrame(columns)
