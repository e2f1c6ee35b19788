"""Tidy frames in which the user's columns stand beside those of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats


def free_names(wanted: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Names for the user's columns, each unlike the others and those taken: "mean" -> "mean_"."""
    wanted, used, found = list(wanted), set(taken), []
    for name in wanted:
        free = name
        while free in used or (free != name and free in wanted):
            free = f"{free}_"
        used.add(free)
        found.append(free)
    return found


def repeated_frame(
    values: Mapping[str, Sequence[object]],
    n: int,
    times: int,
    numbers: Mapping[str, Any],
    feature: tuple[str, Any] | None = None,
) -> pd.DataFrame:
    """Frame of n rows, each so many times: row, group columns, perhaps a feature, results.

    Parameters
    ----------
    values : mapping of str to n values each
        The group columns.
    n, times : int
    numbers : mapping of str to array of n x times numbers
        The results, whose names are kept; the user's columns give way, by an underscore.
    feature : (str, array of n x times), optional
        Name and values of the input that moves.
    """
    given = list(values) + ([feature[0]] if feature else [])
    names = free_names(given, ["row", *numbers])
    index = np.repeat(np.arange(n), times)
    columns: dict[str, Any] = {"row": index}
    for name, value in zip(names, values.values(), strict=False):
        columns[name] = pd.Series(list(value)).take(index).array
    if feature:
        columns[names[-1]] = feature[1]
    return pd.DataFrame({**columns, **{name: np.ravel(x) for name, x in numbers.items()}})


def frame_along(
    values: Mapping[str, Sequence[object]], name: str, grid: Any, numbers: Mapping[str, Floats]
) -> pd.DataFrame:
    """Frame of results (n, T) along a grid (T,): row, group columns, the feature, results."""
    n, T = next(iter(numbers.values())).shape
    return repeated_frame(values, n, T, numbers, (name, np.tile(grid, n)))
