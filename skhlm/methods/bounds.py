"""Between what the amounts of an allocation may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.inputs.columns import listed
from skhlm.reports.allocation import Problem

_ROUNDING = 1e-12


def read_bounds(
    bounds: Any, groups: pd.DataFrame, sizes: Ints, total: float, least: float, *, by_one: bool
) -> Problem:
    """Amounts of units that have a total, between bounds.

    Parameters
    ----------
    bounds : (low, high) or None
        As the user gives them.
    groups : DataFrame of m rows
        What the units are called; ``by_one`` if by a column, so that a mapping may name them.
    sizes : ndarray of shape (m,)
        Rows of each unit.
    total : float
        What all rows are to have.
    least : float
        The lower bound where none is given, or 0 is.
    """
    if bounds is not None and len(bounds) != 2:
        raise ValueError(f"bounds must be a pair, (low, high), got {bounds!r}.")
    given_low, given_high = bounds or (None, None)
    names = groups.iloc[:, 0].tolist() if by_one else None
    low, high = np.full(len(groups), least), total / sizes
    if given_low is not None:
        low = _bound(given_low, len(groups), names, "low")
        low[low == 0] = least
    if given_high is not None:
        given = _bound(given_high, len(groups), names, "high")
        if wrong := np.flatnonzero(low > given).tolist():
            unit = ", ".join(f"{key} {value!r}" for key, value in groups.iloc[wrong[0]].items())
            raise ValueError(
                f"bounds: of {unit} the lower bound is {low[wrong[0]]:.6g} and the upper one "
                f"{given[wrong[0]]:.6g}."
            )
        high = np.minimum(given, high)
    _check_room(sizes, total, low, high)
    return Problem(sizes, total, low, np.maximum(high, low))


def _bound(given: Any, m: int, names: list[Any] | None, name: str) -> Floats:
    """A bound of each unit, (m,)."""
    if isinstance(given, pd.Series) and names is None:
        given = given.to_numpy()
    if isinstance(given, (Mapping, pd.Series)):
        if names is None:
            raise ValueError(
                f"bounds: {name} is a mapping, which needs a single column in by. Give a list, in "
                "the order of the units."
            )
        if missing := [key for key in names if key not in given]:
            raise ValueError(f"bounds: {name} has nothing for {listed(missing)}.")
        if unknown := [key for key in dict(given) if key not in names]:
            raise ValueError(
                f"bounds: {name} has {listed(unknown)}, which no row is. The units are "
                f"{listed(names)}."
            )
        given = [given[key] for key in names]
    try:
        bound = np.broadcast_to(np.asarray(given, dtype=np.float64), (m,))
    except (TypeError, ValueError):
        bound = np.array([np.nan])
    if np.isnan(bound).any() or (bound < 0).any():
        raise ValueError(
            f"bounds: {name} must be a number that is not negative, or one for each of the "
            f"{m} units, got {given!r}."
        )
    return bound.copy()


def _check_room(sizes: Ints, total: float, low: Floats, high: Floats) -> None:
    """Raise where bounds leave no allocation of this total."""
    least, most = float(sizes @ low), float(sizes @ high)
    if total < least * (1 - _ROUNDING):
        raise ValueError(
            f"total: {total:.6g} is less than the lower bounds, which are {least:.6g} in all. Give "
            "bounds=(low, high) with lower ones."
        )
    if total > most * (1 + _ROUNDING):
        raise ValueError(
            f"total: {total:.6g} is more than the upper bounds, which are {most:.6g} in all. Give "
            "bounds=(low, high) with higher ones."
        )
